-- rows of: window_percentile_near
CREATE TABLE reports (
  device STRING,
  ts TIMESTAMP(3),
  temp DOUBLE,
  WATERMARK FOR ts AS ts - INTERVAL '5' SECOND
) WITH ('connector' = 'filesystem', 'path' = '../sql/data/reports.csv', 'format' = 'csv', 'csv.null-literal' = '');

SELECT device, window_start,
  APPROX_PERCENTILE(temp, 1) BETWEEN MAX(temp) * 0.99e0 AND MAX(temp) * 1.01e0 AS highest_is_near,
  APPROX_PERCENTILE(temp, 0) BETWEEN MIN(temp) * 0.99e0 AND MIN(temp) * 1.01e0 AS lowest_is_near
FROM TABLE(TUMBLE(TABLE reports, DESCRIPTOR(ts), INTERVAL '20' SECOND))
WHERE temp IS NOT NULL GROUP BY device, window_start, window_end;
