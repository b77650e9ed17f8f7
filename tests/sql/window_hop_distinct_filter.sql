-- DISTINCT in HOP.
CREATE TABLE flow (
  id INT,
  k STRING,
  ts TIMESTAMP(3),
  v INT,
  state STRING,
  x DOUBLE,
  WATERMARK FOR ts AS ts
) WITH ('connector' = 'filesystem', 'path' = 'data/flow.csv', 'format' = 'csv', 'csv.null-literal' = '');

SELECT window_start, COUNT(DISTINCT k) AS k, COUNT(DISTINCT v) FILTER (WHERE x > 1) AS f FROM TABLE(HOP(TABLE flow, DESCRIPTOR(ts), INTERVAL '10' SECOND, INTERVAL '40' SECOND)) GROUP BY window_start, window_end;
