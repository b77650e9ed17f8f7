-- FIRST and LAST with offsets of other variables in conditions.
CREATE TABLE steps (
  device STRING, ts TIMESTAMP(3), n INT, k STRING, x DOUBLE,
  WATERMARK FOR ts AS ts - INTERVAL '5' SECOND
) WITH ('connector' = 'filesystem', 'path' = 'data/steps.csv', 'format' = 'csv', 'csv.null-literal' = '');

SELECT * FROM steps MATCH_RECOGNIZE (PARTITION BY device ORDER BY ts MEASURES FIRST(a.n, 1) AS a2, LAST(b.n, 1) AS b_before, LAST(b.n) AS b_last, FIRST(b.x) AS b_x ONE ROW PER MATCH AFTER MATCH SKIP PAST LAST ROW PATTERN (a{2} b+ c) DEFINE b AS b.x > FIRST(a.x) OR LAST(b.x, 1) IS NULL, c AS c.n - FIRST(a.n) > 5);
