SELECT zone, COUNT(*) AS n FROM TABLE(TUMBLE(TABLE readings, DESCRIPTOR(ts), INTERVAL '1' MINUTE)) GROUP BY window_start, window_end, zone HAVING LAG(COUNT(*)) OVER (ORDER BY window_time) > 1
