-- Window functions with named arguments.
CREATE TABLE flow (
  id INT,
  k STRING,
  ts TIMESTAMP(3),
  v INT,
  state STRING,
  x DOUBLE,
  WATERMARK FOR ts AS ts
) WITH ('connector' = 'filesystem', 'path' = 'data/flow.csv', 'format' = 'csv', 'csv.null-literal' = '');
SELECT k, window_start, window_end, COUNT(*) AS n
FROM TABLE(HOP(DATA => TABLE flow, TIMECOL => DESCRIPTOR(ts), SLIDE => INTERVAL '10' SECOND, SIZE => INTERVAL '30' SECOND)) GROUP BY k, window_start, window_end;
