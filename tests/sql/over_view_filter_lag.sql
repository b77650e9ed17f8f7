-- LAG over a view whose filter hides rows.
CREATE TABLE ties (
  device STRING, ts TIMESTAMP(3), n INT, k STRING, x DOUBLE,
  WATERMARK FOR ts AS ts - INTERVAL '5' SECOND
) WITH ('connector' = 'filesystem', 'path' = 'data/ties.csv', 'format' = 'csv', 'csv.null-literal' = '');

SELECT device, ts, n, n - LAG(n) OVER (PARTITION BY device ORDER BY ts) AS diff FROM (SELECT * FROM ties WHERE x > 10 OR k IS NULL);
