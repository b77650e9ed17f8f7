SELECT device, window_start, window_end, COUNT(*) AS n FROM TABLE(TUMBLE_ROWS(TABLE readings PARTITION BY device, DESCRIPTOR(ts), INTERVAL '1' MINUTE)) GROUP BY device, window_start, window_end
