-- rows of: count_tumble_where
CREATE TABLE reports (
  device STRING,
  ts TIMESTAMP(3),
  temp DOUBLE,
  WATERMARK FOR ts AS ts - INTERVAL '5' SECOND
) WITH ('connector' = 'filesystem', 'path' = '../sql/data/reports.csv', 'format' = 'csv', 'csv.null-literal' = '');

SELECT device, window_start, CAST(COUNT(*) AS INT) AS hot, MAX(temp) AS highest
FROM TABLE(TUMBLE_ROWS(TABLE reports PARTITION BY device, DESCRIPTOR(ts), 3))
WHERE temp > 60
GROUP BY device, window_start, window_end;
