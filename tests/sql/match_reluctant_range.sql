-- {2,4}? takes at least two.
CREATE TABLE steps (
  device STRING, ts TIMESTAMP(3), n INT, k STRING, x DOUBLE,
  WATERMARK FOR ts AS ts - INTERVAL '5' SECOND
) WITH ('connector' = 'filesystem', 'path' = 'data/steps.csv', 'format' = 'csv', 'csv.null-literal' = '');

SELECT * FROM steps MATCH_RECOGNIZE (
  PARTITION BY device ORDER BY ts
  MEASURES FIRST(a.n) AS a1, LAST(a.n) AS a2, FIRST(b.n) AS b1, LAST(b.n) AS b2, c.n AS c_n
  ONE ROW PER MATCH
  AFTER MATCH SKIP TO NEXT ROW
  PATTERN (a b{2,4}? c)
  DEFINE a AS a.k = 'A', c AS c.k = 'C');
