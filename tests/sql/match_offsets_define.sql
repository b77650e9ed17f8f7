-- LAST(a.x) in a condition is the row under test, LAST(a.x, 1) the one before it.
CREATE TABLE beats (
  device STRING, ts TIMESTAMP(3), n INT, k STRING, x DOUBLE,
  WATERMARK FOR ts AS ts - INTERVAL '5' SECOND
) WITH ('connector' = 'filesystem', 'path' = 'data/beats.csv', 'format' = 'csv', 'csv.null-literal' = '');

SELECT * FROM beats MATCH_RECOGNIZE (
  PARTITION BY device ORDER BY ts
  MEASURES FIRST(a.x) AS x1, LAST(a.x) AS x2, COUNT(*) AS c, b.x AS x3
  ONE ROW PER MATCH
  AFTER MATCH SKIP TO NEXT ROW
  PATTERN (a{2,} b)
  DEFINE a AS LAST(a.x, 1) IS NULL OR LAST(a.x) > LAST(a.x, 1), b AS b.x < LAST(a.x));
