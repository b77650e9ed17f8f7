-- A column without a variable: the row under test, and in measures the last row of all.
CREATE TABLE steps (
  device STRING, ts TIMESTAMP(3), n INT, k STRING, x DOUBLE,
  WATERMARK FOR ts AS ts - INTERVAL '5' SECOND
) WITH ('connector' = 'filesystem', 'path' = 'data/steps.csv', 'format' = 'csv', 'csv.null-literal' = '');

SELECT * FROM steps MATCH_RECOGNIZE (
  PARTITION BY device ORDER BY ts
  MEASURES n AS last_n, FIRST(n) AS first_n, LAST(k, 1) AS before_last, SUM(n) AS s, a.n AS a_n
  ONE ROW PER MATCH
  AFTER MATCH SKIP TO NEXT ROW
  PATTERN (a b+ c)
  DEFINE a AS k = 'A', b AS k = 'B' AND LAST(n, 1) = n - 1);
