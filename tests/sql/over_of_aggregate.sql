-- OVER an aggregate in one SELECT.
CREATE TABLE flow (
  id INT,
  k STRING,
  ts TIMESTAMP(3),
  v INT,
  state STRING,
  x DOUBLE,
  WATERMARK FOR ts AS ts
) WITH ('connector' = 'filesystem', 'path' = 'data/flow.csv', 'format' = 'csv', 'csv.null-literal' = '');
SELECT k, window_start, SUM(v) AS s, SUM(SUM(v)) OVER (PARTITION BY k ORDER BY window_time ROWS BETWEEN 2 PRECEDING AND CURRENT ROW) AS s3 FROM TABLE(TUMBLE(TABLE flow, DESCRIPTOR(ts), INTERVAL '20' SECOND)) GROUP BY k, window_start, window_end, window_time;
