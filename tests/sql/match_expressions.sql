-- Expressions over rows of several variables, constants, CASE, text.
CREATE TABLE steps (
  device STRING, ts TIMESTAMP(3), n INT, k STRING, x DOUBLE,
  WATERMARK FOR ts AS ts - INTERVAL '5' SECOND
) WITH ('connector' = 'filesystem', 'path' = 'data/steps.csv', 'format' = 'csv', 'csv.null-literal' = '');

SELECT * FROM steps MATCH_RECOGNIZE (
  PARTITION BY device ORDER BY ts
  MEASURES CASE WHEN a.n > 20 THEN 'late' ELSE b.k END AS what, COALESCE(LAST(a.n, 1), -1) AS before_a, 1 AS eins, 'lit' AS lit, a.k || b.k || c.k AS ks, c.n - a.n AS len, CAST(a.n AS DOUBLE) / c.n AS q
  ONE ROW PER MATCH
  AFTER MATCH SKIP TO NEXT ROW
  PATTERN (a+ b c)
  DEFINE a AS a.k = 'A', b AS b.k = 'B');
