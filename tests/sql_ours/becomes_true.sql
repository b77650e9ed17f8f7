-- rows of: report_becomes_true
CREATE TABLE reports (
  device STRING,
  ts TIMESTAMP(3),
  temp DOUBLE,
  WATERMARK FOR ts AS ts - INTERVAL '5' SECOND
) WITH ('connector' = 'filesystem', 'path' = '../sql/data/reports.csv', 'format' = 'csv', 'csv.null-literal' = '');

SELECT device, ts, temp FROM reports
WHERE BECOMES_TRUE(HELD_FOR(temp > 80, INTERVAL '15' SECOND) OVER w) OVER w
WINDOW w AS (PARTITION BY device ORDER BY ts);
