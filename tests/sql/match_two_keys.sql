-- PARTITION BY two columns.
CREATE TABLE beats (
  device STRING, ts TIMESTAMP(3), n INT, k STRING, x DOUBLE,
  WATERMARK FOR ts AS ts - INTERVAL '5' SECOND
) WITH ('connector' = 'filesystem', 'path' = 'data/beats.csv', 'format' = 'csv', 'csv.null-literal' = '');

SELECT * FROM beats MATCH_RECOGNIZE (
  PARTITION BY device, k ORDER BY ts
  MEASURES COUNT(*) AS c, FIRST(a.n) AS n1, b.n AS n2
  ONE ROW PER MATCH
  AFTER MATCH SKIP TO NEXT ROW
  PATTERN (a{2} b)
  DEFINE b AS b.n - FIRST(a.n) > 9);
