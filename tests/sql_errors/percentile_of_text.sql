SELECT PERCENTILE(device, 0.5) AS p, PERCENTILE(device, 0.5, vib) AS q FROM TABLE(TUMBLE(TABLE readings, DESCRIPTOR(ts), INTERVAL '1' MINUTE)) GROUP BY window_start, window_end
