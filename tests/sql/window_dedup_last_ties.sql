-- The last row of a key in a window among rows of equal time.
CREATE TABLE ties (
  device STRING, ts TIMESTAMP(3), n INT, k STRING, x DOUBLE,
  WATERMARK FOR ts AS ts - INTERVAL '5' SECOND
) WITH ('connector' = 'filesystem', 'path' = 'data/ties.csv', 'format' = 'csv', 'csv.null-literal' = '');

SELECT k, ts, n, window_start FROM (SELECT *, ROW_NUMBER() OVER (PARTITION BY k, window_start, window_end ORDER BY ts DESC) AS r FROM TABLE(TUMBLE(TABLE ties, DESCRIPTOR(ts), INTERVAL '2' SECOND))) WHERE r = 1;
