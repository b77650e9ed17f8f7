-- CUMULATE without aggregation.
CREATE TABLE bursts (
  id INT,
  k STRING,
  ts TIMESTAMP(3),
  v INT,
  x DOUBLE,
  WATERMARK FOR ts AS ts - INTERVAL '5' SECOND
) WITH ('connector' = 'filesystem', 'path' = 'data/bursts.csv', 'format' = 'csv', 'csv.null-literal' = '');
SELECT id, ts, window_start, window_end, window_time FROM TABLE(CUMULATE(TABLE bursts, DESCRIPTOR(ts), INTERVAL '20' SECOND, INTERVAL '1' MINUTE)) WHERE v > 4;
