WITH w AS (SELECT ts + INTERVAL '1' SECOND AS ts, temp FROM readings)
SELECT window_start, COUNT(*) AS n FROM TABLE(TUMBLE(TABLE w, DESCRIPTOR(ts), INTERVAL '1' MINUTE)) GROUP BY window_start, window_end
