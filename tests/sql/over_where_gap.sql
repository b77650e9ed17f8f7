-- Gaps longer than some seconds, by LAG in a subquery.
CREATE TABLE flow (
  id INT,
  k STRING,
  ts TIMESTAMP(3),
  v INT,
  state STRING,
  x DOUBLE,
  WATERMARK FOR ts AS ts
) WITH ('connector' = 'filesystem', 'path' = 'data/flow.csv', 'format' = 'csv', 'csv.null-literal' = '');

SELECT k, before, ts FROM (SELECT k, ts, LAG(ts) OVER (PARTITION BY k ORDER BY ts) AS before FROM flow) WHERE ts > before + INTERVAL '20' SECOND;
