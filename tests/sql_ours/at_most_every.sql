-- rows of: report_at_most_every
CREATE TABLE reports (
  device STRING,
  ts TIMESTAMP(3),
  temp DOUBLE,
  WATERMARK FOR ts AS ts - INTERVAL '5' SECOND
) WITH ('connector' = 'filesystem', 'path' = '../sql/data/reports.csv', 'format' = 'csv', 'csv.null-literal' = '');

SELECT device, ts, before_temp, temp FROM (
  SELECT device, ts, LAST_REPORTED(temp) OVER w AS before_temp, temp, LAST_REPORTED(ts) OVER w AS before_ts
  FROM reports WHERE AT_MOST_EVERY(INTERVAL '10' SECOND) OVER w
  WINDOW w AS (PARTITION BY device ORDER BY ts))
WHERE before_ts IS NOT NULL;
