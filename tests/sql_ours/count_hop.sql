-- rows of: count_hop
CREATE TABLE reports (
  device STRING,
  ts TIMESTAMP(3),
  temp DOUBLE,
  WATERMARK FOR ts AS ts - INTERVAL '5' SECOND
) WITH ('connector' = 'filesystem', 'path' = '../sql/data/reports.csv', 'format' = 'csv', 'csv.null-literal' = '');

SELECT device, window_start, SUM(temp) AS total, COUNT(*) AS n
FROM TABLE(HOP_ROWS(TABLE reports PARTITION BY device, DESCRIPTOR(ts), 2, 5))
GROUP BY device, window_start, window_end;
