-- Aggregates in conditions count the row under test.
CREATE TABLE steps (
  device STRING, ts TIMESTAMP(3), n INT, k STRING, x DOUBLE,
  WATERMARK FOR ts AS ts - INTERVAL '5' SECOND
) WITH ('connector' = 'filesystem', 'path' = 'data/steps.csv', 'format' = 'csv', 'csv.null-literal' = '');

SELECT * FROM steps MATCH_RECOGNIZE (
  PARTITION BY device ORDER BY ts
  MEASURES COUNT(a.n) AS c, SUM(a.n) AS s, b.n AS b_n
  ONE ROW PER MATCH
  AFTER MATCH SKIP TO NEXT ROW
  PATTERN (a+ b)
  DEFINE a AS SUM(a.n) < 40 AND COUNT(*) < 5, b AS b.n > AVG(a.n));
