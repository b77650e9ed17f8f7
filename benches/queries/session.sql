SELECT device, window_start, window_end, COUNT(*) AS n, MAX(heat) AS high
FROM TABLE(SESSION(TABLE hot PARTITION BY device, DESCRIPTOR(ts), INTERVAL '5' SECOND))
GROUP BY device, window_start, window_end
