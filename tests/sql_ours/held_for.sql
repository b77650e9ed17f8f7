-- rows of: report_held_for
CREATE TABLE reports (
  device STRING,
  ts TIMESTAMP(3),
  temp DOUBLE,
  WATERMARK FOR ts AS ts - INTERVAL '5' SECOND
) WITH ('connector' = 'filesystem', 'path' = '../sql/data/reports.csv', 'format' = 'csv', 'csv.null-literal' = '');

SELECT device, ts, temp, HELD_FOR(temp > 80, INTERVAL '15' SECOND) OVER (PARTITION BY device ORDER BY ts) AS held
FROM reports;
