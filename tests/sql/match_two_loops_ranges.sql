-- The same with limits, and matches that do not overlap.
CREATE TABLE steps (
  device STRING, ts TIMESTAMP(3), n INT, k STRING, x DOUBLE,
  WATERMARK FOR ts AS ts - INTERVAL '5' SECOND
) WITH ('connector' = 'filesystem', 'path' = 'data/steps.csv', 'format' = 'csv', 'csv.null-literal' = '');

SELECT * FROM steps MATCH_RECOGNIZE (
  PARTITION BY device ORDER BY ts
  MEASURES a.n AS a_n, FIRST(b.n) AS b1, LAST(b.n) AS b2, FIRST(c.n) AS c1, LAST(c.n) AS c2, d.n AS d_n
  ONE ROW PER MATCH
  AFTER MATCH SKIP PAST LAST ROW
  PATTERN (a b{1,3}? c{1,4}? d)
  DEFINE a AS a.k = 'A', d AS d.k IN ('C', 'D'));
