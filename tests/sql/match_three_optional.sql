-- Optional and star in the middle.
CREATE TABLE steps (
  device STRING, ts TIMESTAMP(3), n INT, k STRING, x DOUBLE,
  WATERMARK FOR ts AS ts - INTERVAL '5' SECOND
) WITH ('connector' = 'filesystem', 'path' = 'data/steps.csv', 'format' = 'csv', 'csv.null-literal' = '');

SELECT * FROM steps MATCH_RECOGNIZE (PARTITION BY device ORDER BY ts MEASURES a.n AS an, b.n AS bn, COUNT(c.n) AS cn, d.n AS dn ONE ROW PER MATCH AFTER MATCH SKIP TO NEXT ROW PATTERN (a b? c* d) DEFINE a AS a.k = 'A', b AS b.k = 'B', c AS c.k = 'C', d AS d.k = 'A');
