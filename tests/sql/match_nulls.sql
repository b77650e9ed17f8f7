-- A condition that is neither true nor false keeps no row; NOT of a greedy one lets NULLs through.
CREATE TABLE steps (
  device STRING, ts TIMESTAMP(3), n INT, k STRING, x DOUBLE,
  WATERMARK FOR ts AS ts - INTERVAL '5' SECOND
) WITH ('connector' = 'filesystem', 'path' = 'data/steps.csv', 'format' = 'csv', 'csv.null-literal' = '');

SELECT * FROM steps MATCH_RECOGNIZE (
  PARTITION BY device ORDER BY ts
  MEASURES FIRST(a.n) AS a1, LAST(a.n) AS a2, b.n AS b_n, b.x AS b_x
  ONE ROW PER MATCH
  AFTER MATCH SKIP TO NEXT ROW
  PATTERN (a+ b)
  DEFINE a AS a.x > 3, b AS b.x IS NULL OR b.x > 30);
