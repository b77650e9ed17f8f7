-- {2,}? then a variable with a condition over both.
CREATE TABLE steps (
  device STRING, ts TIMESTAMP(3), n INT, k STRING, x DOUBLE,
  WATERMARK FOR ts AS ts - INTERVAL '5' SECOND
) WITH ('connector' = 'filesystem', 'path' = 'data/steps.csv', 'format' = 'csv', 'csv.null-literal' = '');

SELECT * FROM steps MATCH_RECOGNIZE (PARTITION BY device ORDER BY ts MEASURES FIRST(a.n) AS a1, LAST(a.n) AS a2, AVG(a.x) AS ax, b.n AS bn ONE ROW PER MATCH AFTER MATCH SKIP TO FIRST b PATTERN (a{2,}? b) DEFINE a AS a.x IS NOT NULL, b AS b.x > AVG(a.x) AND b.n <> LAST(a.n, 1));
