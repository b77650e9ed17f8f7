-- OVER over the result of a window, by window_time.
CREATE TABLE flow (
  id INT,
  k STRING,
  ts TIMESTAMP(3),
  v INT,
  state STRING,
  x DOUBLE,
  WATERMARK FOR ts AS ts
) WITH ('connector' = 'filesystem', 'path' = 'data/flow.csv', 'format' = 'csv', 'csv.null-literal' = '');
SELECT k, window_start, n, SUM(n) OVER (PARTITION BY k ORDER BY window_time ROWS BETWEEN 1 PRECEDING AND CURRENT ROW) AS n2 FROM (
 SELECT k, window_start, window_time, COUNT(*) AS n FROM TABLE(TUMBLE(TABLE flow, DESCRIPTOR(ts), INTERVAL '30' SECOND)) GROUP BY k, window_start, window_end, window_time);
