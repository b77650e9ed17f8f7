-- HOP_ROWS(…, 2, 5): five rows, beginning with every second one.
CREATE TABLE reports (
  device STRING,
  ts TIMESTAMP(3),
  temp DOUBLE,
  WATERMARK FOR ts AS ts - INTERVAL '5' SECOND
) WITH ('connector' = 'filesystem', 'path' = 'data/reports.csv', 'format' = 'csv', 'csv.null-literal' = '');

SELECT * FROM reports MATCH_RECOGNIZE (
  PARTITION BY device ORDER BY ts
  MEASURES FIRST(ts) AS window_start, SUM(temp) AS total, COUNT(*) AS n
  ONE ROW PER MATCH
  AFTER MATCH SKIP TO FIRST b
  PATTERN (a{2} b{3})
  DEFINE a AS TRUE, b AS TRUE);
