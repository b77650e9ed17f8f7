SELECT device, window_start, window_end, COUNT(*) AS n, AVG(temp) AS mean, MIN(temp) AS low, MAX(temp) AS high
FROM TABLE(TUMBLE(TABLE readings, DESCRIPTOR(ts), INTERVAL '10' SECOND))
GROUP BY device, window_start, window_end
