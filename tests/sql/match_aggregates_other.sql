-- A condition over the average of the variable before.
CREATE TABLE beats (
  device STRING, ts TIMESTAMP(3), n INT, k STRING, x DOUBLE,
  WATERMARK FOR ts AS ts - INTERVAL '5' SECOND
) WITH ('connector' = 'filesystem', 'path' = 'data/beats.csv', 'format' = 'csv', 'csv.null-literal' = '');

SELECT * FROM beats MATCH_RECOGNIZE (
  PARTITION BY device ORDER BY ts
  MEASURES COUNT(a.n) AS c, AVG(a.x) AS mean, b.x AS x
  ONE ROW PER MATCH
  AFTER MATCH SKIP PAST LAST ROW
  PATTERN (a{2,4}? b)
  DEFINE a AS a.x IS NOT NULL, b AS b.x > AVG(a.x) * 1.5);
