-- HOP in GROUP BY with a slide larger than its size: rows between two windows are in none.
CREATE TABLE flow (
  id INT,
  k STRING,
  ts TIMESTAMP(3),
  v INT,
  state STRING,
  x DOUBLE,
  WATERMARK FOR ts AS ts
) WITH ('connector' = 'filesystem', 'path' = 'data/flow.csv', 'format' = 'csv', 'csv.null-literal' = '');
SELECT k, HOP_START(ts, INTERVAL '10' SECOND, INTERVAL '4' SECOND) AS s, HOP_END(ts, INTERVAL '10' SECOND, INTERVAL '4' SECOND) AS e, COUNT(*) AS n, SUM(v) AS v FROM flow GROUP BY k, HOP(ts, INTERVAL '10' SECOND, INTERVAL '4' SECOND);
