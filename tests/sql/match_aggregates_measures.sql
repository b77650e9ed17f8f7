-- Aggregates in measures: over the rows of a variable, over all rows, over none.
CREATE TABLE steps (
  device STRING, ts TIMESTAMP(3), n INT, k STRING, x DOUBLE,
  WATERMARK FOR ts AS ts - INTERVAL '5' SECOND
) WITH ('connector' = 'filesystem', 'path' = 'data/steps.csv', 'format' = 'csv', 'csv.null-literal' = '');

SELECT * FROM steps MATCH_RECOGNIZE (
  PARTITION BY device ORDER BY ts
  MEASURES COUNT(*) AS rows_all, COUNT(a.x) AS xs, SUM(a.n) AS s, AVG(a.n) AS mean_int, AVG(a.x) AS mean, MIN(b.x) AS low, MAX(k) AS top, SUM(c.n) AS nothing, COUNT(c.n) AS zero, SUM(a.n * 2 + 1) + COUNT(b.n) AS mixed
  ONE ROW PER MATCH
  AFTER MATCH SKIP TO NEXT ROW
  PATTERN (a+ b c? d)
  DEFINE a AS a.k = 'A', b AS b.k = 'B', c AS c.k = 'D');
