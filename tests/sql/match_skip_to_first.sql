-- SKIP TO FIRST b: the rows of b may begin the next match.
CREATE TABLE steps (
  device STRING, ts TIMESTAMP(3), n INT, k STRING, x DOUBLE,
  WATERMARK FOR ts AS ts - INTERVAL '5' SECOND
) WITH ('connector' = 'filesystem', 'path' = 'data/steps.csv', 'format' = 'csv', 'csv.null-literal' = '');

SELECT * FROM steps MATCH_RECOGNIZE (
  PARTITION BY device ORDER BY ts
  MEASURES FIRST(a.n) AS a1, LAST(a.n) AS a2, FIRST(b.n) AS b1, LAST(b.n) AS b2, c.n AS c_n
  ONE ROW PER MATCH
  AFTER MATCH SKIP TO FIRST b
  PATTERN (a b{1,2} c)
  DEFINE b AS b.k <> 'C');
