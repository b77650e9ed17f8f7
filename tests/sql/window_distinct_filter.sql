-- DISTINCT and FILTER together, and the same argument with different filters.
CREATE TABLE flow (
  id INT,
  k STRING,
  ts TIMESTAMP(3),
  v INT,
  state STRING,
  x DOUBLE,
  WATERMARK FOR ts AS ts
) WITH ('connector' = 'filesystem', 'path' = 'data/flow.csv', 'format' = 'csv', 'csv.null-literal' = '');
SELECT k, window_start, COUNT(DISTINCT v) FILTER (WHERE state = 'ok') AS okv, COUNT(DISTINCT v) FILTER (WHERE state <> 'ok') AS other, SUM(v) FILTER (WHERE state IS NULL) AS unk, COUNT(*) FILTER (WHERE x > 1) AS big
FROM TABLE(TUMBLE(TABLE flow, DESCRIPTOR(ts), INTERVAL '2' MINUTE)) GROUP BY k, window_start, window_end;
