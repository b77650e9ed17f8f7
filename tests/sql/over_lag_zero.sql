-- LAG of an expression, used in arithmetic.
CREATE TABLE flow (
  id INT,
  k STRING,
  ts TIMESTAMP(3),
  v INT,
  state STRING,
  x DOUBLE,
  WATERMARK FOR ts AS ts
) WITH ('connector' = 'filesystem', 'path' = 'data/flow.csv', 'format' = 'csv', 'csv.null-literal' = '');
SELECT id, k, v - LAG(v) OVER (PARTITION BY k ORDER BY ts) AS delta, TIMESTAMPDIFF(SECOND, LAG(ts) OVER (PARTITION BY k ORDER BY ts), ts) AS gap FROM flow;
