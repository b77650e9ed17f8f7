-- Windows of the rowtime of an odd HOP.
CREATE TABLE flow (
  id INT,
  k STRING,
  ts TIMESTAMP(3),
  v INT,
  state STRING,
  x DOUBLE,
  WATERMARK FOR ts AS ts
) WITH ('connector' = 'filesystem', 'path' = 'data/flow.csv', 'format' = 'csv', 'csv.null-literal' = '');
SELECT TUMBLE_START(r, INTERVAL '1' MINUTE) AS s, SUM(n) AS n, COUNT(*) AS w FROM (SELECT HOP_ROWTIME(ts, INTERVAL '4' SECOND, INTERVAL '10' SECOND) AS r, COUNT(*) AS n FROM flow GROUP BY HOP(ts, INTERVAL '4' SECOND, INTERVAL '10' SECOND)) GROUP BY TUMBLE(r, INTERVAL '1' MINUTE);
