-- GROUP BY HOP(…) around 1970.
CREATE TABLE dawn (
  id INT,
  k STRING,
  ts TIMESTAMP(3),
  v INT,
  WATERMARK FOR ts AS ts - INTERVAL '2' SECOND
) WITH ('connector' = 'filesystem', 'path' = 'data/dawn.csv', 'format' = 'csv', 'csv.null-literal' = '');
SELECT k, HOP_START(ts, INTERVAL '1' SECOND, INTERVAL '3' SECOND) AS s, COUNT(*) AS n, SUM(v) AS v FROM dawn GROUP BY HOP(ts, INTERVAL '1' SECOND, INTERVAL '3' SECOND), k;
