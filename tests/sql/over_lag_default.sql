-- LAG with offset and default.
CREATE TABLE flow (
  id INT,
  k STRING,
  ts TIMESTAMP(3),
  v INT,
  state STRING,
  x DOUBLE,
  WATERMARK FOR ts AS ts
) WITH ('connector' = 'filesystem', 'path' = 'data/flow.csv', 'format' = 'csv', 'csv.null-literal' = '');
SELECT id, k, v, LAG(v, 2, -1) OVER (PARTITION BY k ORDER BY ts) AS b2, LAG(k, 1, 'none') OVER (PARTITION BY k ORDER BY ts) AS bs FROM flow;
