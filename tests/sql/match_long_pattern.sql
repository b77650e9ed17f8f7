-- Six variables, some optional, WITHIN.
CREATE TABLE letters (
  device STRING, ts TIMESTAMP(3), n INT, k STRING, x DOUBLE,
  WATERMARK FOR ts AS ts - INTERVAL '5' SECOND
) WITH ('connector' = 'filesystem', 'path' = 'data/letters.csv', 'format' = 'csv', 'csv.null-literal' = '');

SELECT * FROM letters MATCH_RECOGNIZE (PARTITION BY device ORDER BY ts MEASURES a.n AS an, COUNT(b.n) AS bn, c.n AS cn, COUNT(d.n) AS dn, e.n AS en ONE ROW PER MATCH AFTER MATCH SKIP TO NEXT ROW PATTERN (a b{0,2} c d*? e f) WITHIN INTERVAL '15' SECOND DEFINE b AS b.k = 'B', c AS c.k <> 'B', e AS e.k = 'C');
