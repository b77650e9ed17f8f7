-- Report by exception: a row only where the state changes.
CREATE TABLE flow (
  id INT,
  k STRING,
  ts TIMESTAMP(3),
  v INT,
  state STRING,
  x DOUBLE,
  WATERMARK FOR ts AS ts
) WITH ('connector' = 'filesystem', 'path' = 'data/flow.csv', 'format' = 'csv', 'csv.null-literal' = '');
SELECT id, k, ts, state FROM (SELECT id, k, ts, state, LAG(state) OVER (PARTITION BY k ORDER BY ts) AS was FROM flow) WHERE state IS DISTINCT FROM was;
