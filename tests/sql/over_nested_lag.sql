-- LAG of LAG: the change of a change, through a view.
CREATE TABLE flow (
  id INT,
  k STRING,
  ts TIMESTAMP(3),
  v INT,
  state STRING,
  x DOUBLE,
  WATERMARK FOR ts AS ts
) WITH ('connector' = 'filesystem', 'path' = 'data/flow.csv', 'format' = 'csv', 'csv.null-literal' = '');

SELECT k, id, d, d - LAG(d) OVER (PARTITION BY k ORDER BY ts) AS dd FROM (
  SELECT k, id, ts, v - LAG(v) OVER (PARTITION BY k ORDER BY ts) AS d FROM flow);
