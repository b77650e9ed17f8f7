-- FIRST_VALUE and LAST_VALUE of several types with FILTER.
CREATE TABLE flow (
  id INT,
  k STRING,
  ts TIMESTAMP(3),
  v INT,
  state STRING,
  x DOUBLE,
  WATERMARK FOR ts AS ts
) WITH ('connector' = 'filesystem', 'path' = 'data/flow.csv', 'format' = 'csv', 'csv.null-literal' = '');
SELECT k, window_start, FIRST_VALUE(state) AS fs, LAST_VALUE(state) AS ls, FIRST_VALUE(x) AS fx, LAST_VALUE(ts) AS lt, LAST_VALUE(v) FILTER (WHERE state = 'ok') AS lok FROM TABLE(TUMBLE(TABLE flow, DESCRIPTOR(ts), INTERVAL '1' MINUTE)) GROUP BY k, window_start, window_end;
