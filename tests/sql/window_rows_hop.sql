-- HOP without aggregation: a row once for each window.
CREATE TABLE bursts (
  id INT,
  k STRING,
  ts TIMESTAMP(3),
  v INT,
  x DOUBLE,
  WATERMARK FOR ts AS ts - INTERVAL '5' SECOND
) WITH ('connector' = 'filesystem', 'path' = 'data/bursts.csv', 'format' = 'csv', 'csv.null-literal' = '');
SELECT id, ts, window_start, window_end FROM TABLE(HOP(TABLE bursts, DESCRIPTOR(ts), INTERVAL '10' SECOND, INTERVAL '30' SECOND)) WHERE k = 's2';
