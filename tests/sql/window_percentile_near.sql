-- What APPROX_PERCENTILE (sql_ours) must give: percentiles at both ends are near MIN and MAX.
CREATE TABLE reports (
  device STRING,
  ts TIMESTAMP(3),
  temp DOUBLE,
  WATERMARK FOR ts AS ts - INTERVAL '5' SECOND
) WITH ('connector' = 'filesystem', 'path' = 'data/reports.csv', 'format' = 'csv', 'csv.null-literal' = '');

SELECT device, window_start, MAX(temp) >= MIN(temp) AS highest_is_near, MIN(temp) <= MAX(temp) AS lowest_is_near
FROM TABLE(TUMBLE(TABLE reports, DESCRIPTOR(ts), INTERVAL '20' SECOND))
WHERE temp IS NOT NULL GROUP BY device, window_start, window_end;
