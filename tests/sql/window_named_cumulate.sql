-- CUMULATE with named arguments.
CREATE TABLE flow (
  id INT,
  k STRING,
  ts TIMESTAMP(3),
  v INT,
  state STRING,
  x DOUBLE,
  WATERMARK FOR ts AS ts
) WITH ('connector' = 'filesystem', 'path' = 'data/flow.csv', 'format' = 'csv', 'csv.null-literal' = '');
SELECT window_start, window_end, COUNT(*) AS n, MAX(v) AS m
FROM TABLE(CUMULATE(DATA => TABLE flow, TIMECOL => DESCRIPTOR(ts), STEP => INTERVAL '30' SECOND, SIZE => INTERVAL '2' MINUTE)) GROUP BY window_start, window_end;
