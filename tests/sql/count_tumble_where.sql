-- WHERE beside TUMBLE_ROWS(…, 3): it chooses among the rows of windows that are full.
CREATE TABLE reports (
  device STRING,
  ts TIMESTAMP(3),
  temp DOUBLE,
  WATERMARK FOR ts AS ts - INTERVAL '5' SECOND
) WITH ('connector' = 'filesystem', 'path' = 'data/reports.csv', 'format' = 'csv', 'csv.null-literal' = '');

SELECT * FROM (SELECT * FROM reports MATCH_RECOGNIZE (
    PARTITION BY device ORDER BY ts
    MEASURES FIRST(a.ts) AS window_start, SUM(CASE WHEN a.temp > 60 THEN 1 ELSE 0 END) AS hot, MAX(a.temp) AS highest
    ONE ROW PER MATCH
    AFTER MATCH SKIP PAST LAST ROW
    PATTERN (a{3})
    DEFINE a AS TRUE))
WHERE hot > 0;
