-- LISTAGG of DISTINCT values, in order of arrival.
CREATE TABLE flow (
  id INT,
  k STRING,
  ts TIMESTAMP(3),
  v INT,
  state STRING,
  x DOUBLE,
  WATERMARK FOR ts AS ts
) WITH ('connector' = 'filesystem', 'path' = 'data/flow.csv', 'format' = 'csv', 'csv.null-literal' = '');
SELECT k, window_start, LISTAGG(DISTINCT state) AS states FROM TABLE(TUMBLE(TABLE flow, DESCRIPTOR(ts), INTERVAL '5' MINUTE)) GROUP BY k, window_start, window_end;
