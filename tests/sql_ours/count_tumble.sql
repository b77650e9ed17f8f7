-- rows of: count_tumble
CREATE TABLE reports (
  device STRING,
  ts TIMESTAMP(3),
  temp DOUBLE,
  WATERMARK FOR ts AS ts - INTERVAL '5' SECOND
) WITH ('connector' = 'filesystem', 'path' = '../sql/data/reports.csv', 'format' = 'csv', 'csv.null-literal' = '');

SELECT device, window_start, window_end, COUNT(temp) AS n, SUM(temp) AS total
FROM TABLE(TUMBLE_ROWS(TABLE reports PARTITION BY device, DESCRIPTOR(ts), 3))
GROUP BY device, window_start, window_end;
