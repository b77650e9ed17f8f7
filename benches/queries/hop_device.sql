SELECT device, window_start, window_end, COUNT(*) AS n, AVG(temp) AS mean, MAX(temp) AS high
FROM TABLE(HOP(TABLE readings, DESCRIPTOR(ts), INTERVAL '1' SECOND, INTERVAL '60' SECOND))
GROUP BY device, window_start, window_end
