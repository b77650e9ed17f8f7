-- COUNT(*) and COUNT of a condition in DEFINE.
CREATE TABLE steps (
  device STRING, ts TIMESTAMP(3), n INT, k STRING, x DOUBLE,
  WATERMARK FOR ts AS ts - INTERVAL '5' SECOND
) WITH ('connector' = 'filesystem', 'path' = 'data/steps.csv', 'format' = 'csv', 'csv.null-literal' = '');

SELECT * FROM steps MATCH_RECOGNIZE (PARTITION BY device ORDER BY ts MEASURES COUNT(*) AS c, FIRST(a.n) AS a1, LAST(a.n) AS a2, b.n AS bn ONE ROW PER MATCH AFTER MATCH SKIP TO NEXT ROW PATTERN (a+ b) DEFINE a AS COUNT(a.x) <= 2, b AS COUNT(*) > 3);
