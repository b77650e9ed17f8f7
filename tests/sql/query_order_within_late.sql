-- ORDER BY in a subquery, with rows out of order, and LIMIT.
CREATE TABLE late (
  device STRING,
  n INT,
  ts TIMESTAMP(3),
  WATERMARK FOR ts AS ts - INTERVAL '5' SECOND
) WITH ('connector' = 'filesystem', 'path' = 'data/late.csv', 'format' = 'csv', 'csv.null-literal' = '');
SELECT * FROM (SELECT n, ts FROM late ORDER BY ts) LIMIT 7;
