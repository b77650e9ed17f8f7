-- LISTAGG with separator among the measures, of a variable of {n}.
CREATE TABLE steps (
  device STRING, ts TIMESTAMP(3), n INT, k STRING, x DOUBLE,
  WATERMARK FOR ts AS ts - INTERVAL '5' SECOND
) WITH ('connector' = 'filesystem', 'path' = 'data/steps.csv', 'format' = 'csv', 'csv.null-literal' = '');

SELECT * FROM steps MATCH_RECOGNIZE (PARTITION BY device ORDER BY ts MEASURES LISTAGG(a.k, '>') AS ks, MIN(a.x) AS lo, MAX(a.x) AS hi, SUM(a.x) AS s ONE ROW PER MATCH AFTER MATCH SKIP PAST LAST ROW PATTERN (a{3} b) DEFINE b AS b.k = 'A');
