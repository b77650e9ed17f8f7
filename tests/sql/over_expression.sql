-- Expressions over several OVER aggregates.
CREATE TABLE flow (
  id INT,
  k STRING,
  ts TIMESTAMP(3),
  v INT,
  state STRING,
  x DOUBLE,
  WATERMARK FOR ts AS ts
) WITH ('connector' = 'filesystem', 'path' = 'data/flow.csv', 'format' = 'csv', 'csv.null-literal' = '');
SELECT id, (v - AVG(v) OVER w) * 10 AS d, CASE WHEN COUNT(*) OVER w > 2 THEN MAX(v) OVER w - MIN(v) OVER w END AS span FROM flow WINDOW w AS (PARTITION BY k ORDER BY ts ROWS BETWEEN 2 PRECEDING AND CURRENT ROW);
