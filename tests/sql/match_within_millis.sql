-- WITHIN half a second and equal times.
CREATE TABLE beats (
  device STRING, ts TIMESTAMP(3), n INT, k STRING, x DOUBLE,
  WATERMARK FOR ts AS ts - INTERVAL '5' SECOND
) WITH ('connector' = 'filesystem', 'path' = 'data/beats.csv', 'format' = 'csv', 'csv.null-literal' = '');

SELECT * FROM beats MATCH_RECOGNIZE (
  PARTITION BY device ORDER BY ts
  MEASURES a.n AS a_n, b.n AS b_n, TIMESTAMPDIFF(SECOND, a.ts, b.ts) AS s
  ONE ROW PER MATCH
  AFTER MATCH SKIP TO NEXT ROW
  PATTERN (a b) WITHIN INTERVAL '1.5' SECOND
  DEFINE a AS a.x > 20);
