-- Running sum that ends a loop, a measure of the whole match.
CREATE TABLE steps (
  device STRING, ts TIMESTAMP(3), n INT, k STRING, x DOUBLE,
  WATERMARK FOR ts AS ts - INTERVAL '5' SECOND
) WITH ('connector' = 'filesystem', 'path' = 'data/steps.csv', 'format' = 'csv', 'csv.null-literal' = '');

SELECT * FROM steps MATCH_RECOGNIZE (PARTITION BY device ORDER BY ts MEASURES SUM(a.n) AS s, AVG(a.n) AS av, COUNT(*) AS c, SUM(n) AS all_n ONE ROW PER MATCH AFTER MATCH SKIP PAST LAST ROW PATTERN (a+ b) DEFINE a AS SUM(a.n) < 100, b AS TRUE);
