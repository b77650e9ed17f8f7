-- FIRST with an offset in a condition.
CREATE TABLE steps (
  device STRING, ts TIMESTAMP(3), n INT, k STRING, x DOUBLE,
  WATERMARK FOR ts AS ts - INTERVAL '5' SECOND
) WITH ('connector' = 'filesystem', 'path' = 'data/steps.csv', 'format' = 'csv', 'csv.null-literal' = '');

SELECT * FROM steps MATCH_RECOGNIZE (
  PARTITION BY device ORDER BY ts
  MEASURES FIRST(a.n) AS a1, LAST(a.n) AS a2, b.n AS b_n
  ONE ROW PER MATCH
  AFTER MATCH SKIP TO NEXT ROW
  PATTERN (a{3,6}? b)
  DEFINE a AS FIRST(a.n, 2) IS NULL OR a.n - FIRST(a.n, 1) < 4, b AS b.k = FIRST(a.k, 1));
