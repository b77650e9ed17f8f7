-- SKIP TO b is SKIP TO LAST b.
CREATE TABLE letters (
  device STRING, ts TIMESTAMP(3), n INT, k STRING, x DOUBLE,
  WATERMARK FOR ts AS ts - INTERVAL '5' SECOND
) WITH ('connector' = 'filesystem', 'path' = 'data/letters.csv', 'format' = 'csv', 'csv.null-literal' = '');

SELECT * FROM letters MATCH_RECOGNIZE (
  PARTITION BY device ORDER BY ts
  MEASURES FIRST(a.n) AS a1, LAST(a.n) AS a2
  AFTER MATCH SKIP TO b
  PATTERN (a b+ c)
  DEFINE a AS a.k='A', b AS b.k='B');
