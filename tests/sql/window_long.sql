-- Windows of a day and of days with an offset of hours.
CREATE TABLE flow (
  id INT,
  k STRING,
  ts TIMESTAMP(3),
  v INT,
  state STRING,
  x DOUBLE,
  WATERMARK FOR ts AS ts
) WITH ('connector' = 'filesystem', 'path' = 'data/flow.csv', 'format' = 'csv', 'csv.null-literal' = '');
SELECT window_start, window_end, COUNT(*) AS n FROM TABLE(TUMBLE(TABLE flow, DESCRIPTOR(ts), INTERVAL '1' DAY, INTERVAL '8' HOUR)) GROUP BY window_start, window_end;
