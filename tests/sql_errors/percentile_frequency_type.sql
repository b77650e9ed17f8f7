SELECT PERCENTILE(temp, 0.5, temp) AS p FROM TABLE(TUMBLE(TABLE readings, DESCRIPTOR(ts), INTERVAL '1' MINUTE)) GROUP BY window_start, window_end
