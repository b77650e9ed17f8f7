-- rows of: count_hop_each_row
CREATE TABLE reports (
  device STRING,
  ts TIMESTAMP(3),
  temp DOUBLE,
  WATERMARK FOR ts AS ts - INTERVAL '5' SECOND
) WITH ('connector' = 'filesystem', 'path' = '../sql/data/reports.csv', 'format' = 'csv', 'csv.null-literal' = '');

SELECT device, window_start, MAX(temp) AS highest
FROM TABLE(HOP_ROWS(TABLE reports PARTITION BY device, DESCRIPTOR(ts), SLIDE => 1, SIZE => 4))
GROUP BY window_start, window_end, device;
