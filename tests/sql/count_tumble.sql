-- TUMBLE_ROWS(…, 3): every three rows of a device.
CREATE TABLE reports (
  device STRING,
  ts TIMESTAMP(3),
  temp DOUBLE,
  WATERMARK FOR ts AS ts - INTERVAL '5' SECOND
) WITH ('connector' = 'filesystem', 'path' = 'data/reports.csv', 'format' = 'csv', 'csv.null-literal' = '');

SELECT * FROM reports MATCH_RECOGNIZE (
  PARTITION BY device ORDER BY ts
  MEASURES FIRST(a.ts) AS window_start, LAST(a.ts) + INTERVAL '0.001' SECOND AS window_end, COUNT(a.temp) AS n, SUM(a.temp) AS total
  ONE ROW PER MATCH
  AFTER MATCH SKIP PAST LAST ROW
  PATTERN (a{3})
  DEFINE a AS TRUE);
