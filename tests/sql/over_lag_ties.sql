-- LAG over rows of equal time.
CREATE TABLE ties (
  device STRING, ts TIMESTAMP(3), n INT, k STRING, x DOUBLE,
  WATERMARK FOR ts AS ts - INTERVAL '5' SECOND
) WITH ('connector' = 'filesystem', 'path' = 'data/ties.csv', 'format' = 'csv', 'csv.null-literal' = '');

SELECT device, ts, n, LAG(n) OVER (PARTITION BY device ORDER BY ts) AS l, LAG(k, 2) OVER (PARTITION BY device ORDER BY ts) AS l2 FROM ties;
