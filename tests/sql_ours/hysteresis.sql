-- rows of: report_hysteresis
CREATE TABLE reports (
  device STRING,
  ts TIMESTAMP(3),
  temp DOUBLE,
  WATERMARK FOR ts AS ts - INTERVAL '5' SECOND
) WITH ('connector' = 'filesystem', 'path' = '../sql/data/reports.csv', 'format' = 'csv', 'csv.null-literal' = '');

SELECT device, ts, temp, HYSTERESIS(temp, 80, 70) OVER w AS hot, HYSTERESIS(temp, 55, 65) OVER w AS cold
FROM reports WINDOW w AS (PARTITION BY device ORDER BY ts);
