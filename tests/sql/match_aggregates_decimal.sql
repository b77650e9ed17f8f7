-- Sums of decimals and of texts that are made of columns.
CREATE TABLE steps (
  device STRING, ts TIMESTAMP(3), n INT, k STRING, x DOUBLE,
  WATERMARK FOR ts AS ts - INTERVAL '5' SECOND
) WITH ('connector' = 'filesystem', 'path' = 'data/steps.csv', 'format' = 'csv', 'csv.null-literal' = '');

SELECT * FROM steps MATCH_RECOGNIZE (
  PARTITION BY device ORDER BY ts
  MEASURES SUM(a.n * 1.25) AS s, AVG(a.n * 1.0) AS m, SUM(CASE WHEN a.n > 15 THEN a.n END) AS late, MIN(UPPER(b.k)) AS k
  ONE ROW PER MATCH
  AFTER MATCH SKIP TO NEXT ROW
  PATTERN (a+ b)
  DEFINE a AS a.k = 'A', b AS b.k = 'B');
