-- Aggregates of nothing but NULLs.
CREATE TABLE flow (
  id INT,
  k STRING,
  ts TIMESTAMP(3),
  v INT,
  state STRING,
  x DOUBLE,
  WATERMARK FOR ts AS ts
) WITH ('connector' = 'filesystem', 'path' = 'data/flow.csv', 'format' = 'csv', 'csv.null-literal' = '');
SELECT window_start, COUNT(nil) AS c, SUM(nil) AS s, AVG(nil) AS a, MIN(nil) AS lo, STDDEV_POP(nil) AS sd, COUNT(DISTINCT nil) AS cd FROM (SELECT ts, CAST(NULL AS DOUBLE) AS nil, window_start, window_end FROM TABLE(TUMBLE(TABLE flow, DESCRIPTOR(ts), INTERVAL '2' MINUTE))) GROUP BY window_start, window_end;
