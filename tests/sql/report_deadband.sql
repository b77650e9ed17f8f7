-- DEADBAND(temp, 5) without the first row of each device.
CREATE TABLE reports (
  device STRING,
  ts TIMESTAMP(3),
  temp DOUBLE,
  WATERMARK FOR ts AS ts - INTERVAL '5' SECOND
) WITH ('connector' = 'filesystem', 'path' = 'data/reports.csv', 'format' = 'csv', 'csv.null-literal' = '');

SELECT * FROM reports MATCH_RECOGNIZE (
  PARTITION BY device ORDER BY ts
  MEASURES moved.ts AS ts, reported.temp AS before_temp, moved.temp AS temp
  ONE ROW PER MATCH
  AFTER MATCH SKIP TO LAST moved
  PATTERN (reported near*? moved)
  DEFINE reported AS reported.temp IS NOT NULL, moved AS ABS(moved.temp - reported.temp) > 5);
