-- CASE, COALESCE and functions in conditions; time differences there.
CREATE TABLE letters (
  device STRING, ts TIMESTAMP(3), n INT, k STRING, x DOUBLE,
  WATERMARK FOR ts AS ts - INTERVAL '5' SECOND
) WITH ('connector' = 'filesystem', 'path' = 'data/letters.csv', 'format' = 'csv', 'csv.null-literal' = '');

SELECT * FROM letters MATCH_RECOGNIZE (PARTITION BY device ORDER BY ts MEASURES a.n AS an, b.n AS bn ONE ROW PER MATCH AFTER MATCH SKIP TO NEXT ROW PATTERN (a b) DEFINE a AS CASE WHEN a.k = 'A' THEN a.n > 3 ELSE FALSE END, b AS COALESCE(b.x, 0) > COALESCE(a.x, -1) AND TIMESTAMPDIFF(SECOND, a.ts, b.ts) <= 1 AND LOWER(b.k) <> 'c');
