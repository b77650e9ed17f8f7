-- LAG of an expression and of a CASE; difference of times in seconds.
CREATE TABLE flow (
  id INT,
  k STRING,
  ts TIMESTAMP(3),
  v INT,
  state STRING,
  x DOUBLE,
  WATERMARK FOR ts AS ts
) WITH ('connector' = 'filesystem', 'path' = 'data/flow.csv', 'format' = 'csv', 'csv.null-literal' = '');

SELECT id, k, LAG(v * 2 + 1) OVER w AS l, TIMESTAMPDIFF(SECOND, LAG(ts) OVER w, ts) AS gap, CASE WHEN LAG(state) OVER w = state THEN 'same' WHEN LAG(state) OVER w IS NULL THEN 'first' ELSE 'changed' END AS c FROM flow WINDOW w AS (PARTITION BY k ORDER BY ts);
