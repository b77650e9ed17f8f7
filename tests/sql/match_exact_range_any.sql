-- A variable with {2,} then one with {2}.
CREATE TABLE steps (
  device STRING, ts TIMESTAMP(3), n INT, k STRING, x DOUBLE,
  WATERMARK FOR ts AS ts - INTERVAL '5' SECOND
) WITH ('connector' = 'filesystem', 'path' = 'data/steps.csv', 'format' = 'csv', 'csv.null-literal' = '');

SELECT * FROM steps MATCH_RECOGNIZE (PARTITION BY device ORDER BY ts MEASURES COUNT(a.n) AS an, FIRST(b.n) AS b1, LAST(b.n) AS b2 ONE ROW PER MATCH AFTER MATCH SKIP TO LAST a PATTERN (a{2,} b{2}) DEFINE a AS a.k = 'A', b AS b.k = 'B' OR b.k = 'C');
