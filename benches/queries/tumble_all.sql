SELECT window_start, window_end, COUNT(*) AS n, AVG(temp) AS mean
FROM TABLE(TUMBLE(TABLE readings, DESCRIPTOR(ts), INTERVAL '10' SECOND))
GROUP BY window_start, window_end
