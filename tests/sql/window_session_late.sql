-- Late rows that touch an open session are kept.
CREATE TABLE late (
  device STRING,
  n INT,
  ts TIMESTAMP(3),
  WATERMARK FOR ts AS ts - INTERVAL '5' SECOND
) WITH ('connector' = 'filesystem', 'path' = 'data/late.csv', 'format' = 'csv', 'csv.null-literal' = '');
SELECT device, window_start, window_end, COUNT(*) AS c, SUM(n) AS s FROM TABLE(SESSION(TABLE late PARTITION BY device, DESCRIPTOR(ts), INTERVAL '4' SECOND)) GROUP BY device, window_start, window_end;
