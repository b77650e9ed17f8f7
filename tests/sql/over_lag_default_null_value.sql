-- LAG with a default: a NULL before is no missing row.
CREATE TABLE flow (
  id INT,
  k STRING,
  ts TIMESTAMP(3),
  v INT,
  state STRING,
  x DOUBLE,
  WATERMARK FOR ts AS ts
) WITH ('connector' = 'filesystem', 'path' = 'data/flow.csv', 'format' = 'csv', 'csv.null-literal' = '');

SELECT id, k, LAG(state, 1, 'first') OVER (PARTITION BY k ORDER BY ts) AS before, LAG(x, 2, -1e0) OVER (PARTITION BY k ORDER BY ts) AS two FROM flow;
