-- The short form ROWS UNBOUNDED PRECEDING, no PARTITION BY.
CREATE TABLE flow (
  id INT,
  k STRING,
  ts TIMESTAMP(3),
  v INT,
  state STRING,
  x DOUBLE,
  WATERMARK FOR ts AS ts
) WITH ('connector' = 'filesystem', 'path' = 'data/flow.csv', 'format' = 'csv', 'csv.null-literal' = '');
SELECT id, SUM(x) OVER (ORDER BY ts ROWS UNBOUNDED PRECEDING) AS s FROM flow;
