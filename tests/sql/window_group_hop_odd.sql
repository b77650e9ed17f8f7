-- HOP in GROUP BY with a size that is no multiple of the slide.
CREATE TABLE flow (
  id INT,
  k STRING,
  ts TIMESTAMP(3),
  v INT,
  state STRING,
  x DOUBLE,
  WATERMARK FOR ts AS ts
) WITH ('connector' = 'filesystem', 'path' = 'data/flow.csv', 'format' = 'csv', 'csv.null-literal' = '');
SELECT k, HOP_START(ts, INTERVAL '4' SECOND, INTERVAL '10' SECOND) AS s, HOP_END(ts, INTERVAL '4' SECOND, INTERVAL '10' SECOND) AS e, HOP_ROWTIME(ts, INTERVAL '4' SECOND, INTERVAL '10' SECOND) AS r, COUNT(*) AS n, SUM(v) AS v FROM flow GROUP BY k, HOP(ts, INTERVAL '4' SECOND, INTERVAL '10' SECOND);
