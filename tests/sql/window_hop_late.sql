-- Which late rows count in windows still open.
CREATE TABLE late (
  device STRING,
  n INT,
  ts TIMESTAMP(3),
  WATERMARK FOR ts AS ts - INTERVAL '5' SECOND
) WITH ('connector' = 'filesystem', 'path' = 'data/late.csv', 'format' = 'csv', 'csv.null-literal' = '');
SELECT device, window_start, window_end, COUNT(*) AS c, SUM(n) AS s FROM TABLE(HOP(TABLE late, DESCRIPTOR(ts), INTERVAL '5' SECOND, INTERVAL '15' SECOND)) GROUP BY device, window_start, window_end;
