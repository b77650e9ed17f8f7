-- FIRST_VALUE and LAST_VALUE of rows of equal time in TUMBLE.
CREATE TABLE ties (
  device STRING, ts TIMESTAMP(3), n INT, k STRING, x DOUBLE,
  WATERMARK FOR ts AS ts - INTERVAL '5' SECOND
) WITH ('connector' = 'filesystem', 'path' = 'data/ties.csv', 'format' = 'csv', 'csv.null-literal' = '');

SELECT window_start, FIRST_VALUE(k) AS f, LAST_VALUE(k) AS l, FIRST_VALUE(x) AS fx, LAST_VALUE(x) AS lx, LISTAGG(k) AS ks FROM TABLE(TUMBLE(TABLE ties, DESCRIPTOR(ts), INTERVAL '2' SECOND)) GROUP BY window_start, window_end;
