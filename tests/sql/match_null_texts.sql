-- NULLs in texts and in comparisons with earlier rows.
CREATE TABLE beats (
  device STRING, ts TIMESTAMP(3), n INT, k STRING, x DOUBLE,
  WATERMARK FOR ts AS ts - INTERVAL '5' SECOND
) WITH ('connector' = 'filesystem', 'path' = 'data/beats.csv', 'format' = 'csv', 'csv.null-literal' = '');

SELECT * FROM beats MATCH_RECOGNIZE (
  PARTITION BY device ORDER BY ts
  MEASURES a.k AS a_k, b.k AS b_k, c.n AS c_n
  ONE ROW PER MATCH
  AFTER MATCH SKIP TO NEXT ROW
  PATTERN (a b c)
  DEFINE a AS a.k IS NULL OR a.x IS NULL, b AS NOT (b.k = a.k), c AS c.k <> b.k);
