-- rows of: report_heartbeat
CREATE TABLE reports (
  device STRING,
  ts TIMESTAMP(3),
  temp DOUBLE,
  WATERMARK FOR ts AS ts - INTERVAL '5' SECOND
) WITH ('connector' = 'filesystem', 'path' = '../sql/data/reports.csv', 'format' = 'csv', 'csv.null-literal' = '');

SELECT device, ts, before_temp, temp, why FROM (
  SELECT device, ts, LAST_REPORTED(temp) OVER w AS before_temp, temp,
    CASE WHEN DEADBAND(temp, 5) OVER w THEN 'moved' ELSE 'alive' END AS why, LAST_REPORTED(ts) OVER w AS before_ts
  FROM reports WHERE DEADBAND(temp, 5) OVER w OR (temp IS NOT NULL AND AT_LEAST_EVERY(INTERVAL '15' SECOND) OVER w)
  WINDOW w AS (PARTITION BY device ORDER BY ts))
WHERE before_ts IS NOT NULL;
