-- The same over three devices, to the last row of a variable.
CREATE TABLE beats (
  device STRING, ts TIMESTAMP(3), n INT, k STRING, x DOUBLE,
  WATERMARK FOR ts AS ts - INTERVAL '5' SECOND
) WITH ('connector' = 'filesystem', 'path' = 'data/beats.csv', 'format' = 'csv', 'csv.null-literal' = '');

SELECT * FROM beats MATCH_RECOGNIZE (
  PARTITION BY device ORDER BY ts
  MEASURES a.n AS a_n, FIRST(b.n) AS b1, LAST(b.n) AS b2, FIRST(c.n) AS c1, LAST(c.n) AS c2, d.n AS d_n
  ONE ROW PER MATCH
  AFTER MATCH SKIP TO LAST b
  PATTERN (a b+? c*? d)
  DEFINE a AS a.k <> 'D', d AS d.x > 60);
