-- LAG, ROW_NUMBER and a running sum in one SELECT.
CREATE TABLE flow (
  id INT,
  k STRING,
  ts TIMESTAMP(3),
  v INT,
  state STRING,
  x DOUBLE,
  WATERMARK FOR ts AS ts
) WITH ('connector' = 'filesystem', 'path' = 'data/flow.csv', 'format' = 'csv', 'csv.null-literal' = '');
SELECT id, k, LAG(v) OVER w AS b, SUM(v) OVER w AS s FROM flow WINDOW w AS (PARTITION BY k ORDER BY ts);
