SELECT device, window_start, COUNT(*) AS n FROM TABLE(TUMBLE(TABLE readings, DESCRIPTOR(ts), INTERVAL '1' MINUTE)) WHERE COUNT(*) > 1 GROUP BY device, window_start, window_end
