-- OVER in a view, a window over it.
CREATE TABLE flow (
  id INT,
  k STRING,
  ts TIMESTAMP(3),
  v INT,
  state STRING,
  x DOUBLE,
  WATERMARK FOR ts AS ts
) WITH ('connector' = 'filesystem', 'path' = 'data/flow.csv', 'format' = 'csv', 'csv.null-literal' = '');
CREATE VIEW steps AS SELECT id, k, ts, v - LAG(v) OVER (PARTITION BY k ORDER BY ts) AS d FROM flow;
SELECT k, window_start, SUM(d) AS moved, COUNT(d) AS n FROM TABLE(TUMBLE(TABLE steps, DESCRIPTOR(ts), INTERVAL '1' MINUTE)) GROUP BY k, window_start, window_end;
