-- LAST and FIRST with offsets over loops among the measures, out of range as well.
CREATE TABLE steps (
  device STRING, ts TIMESTAMP(3), n INT, k STRING, x DOUBLE,
  WATERMARK FOR ts AS ts - INTERVAL '5' SECOND
) WITH ('connector' = 'filesystem', 'path' = 'data/steps.csv', 'format' = 'csv', 'csv.null-literal' = '');

SELECT * FROM steps MATCH_RECOGNIZE (PARTITION BY device ORDER BY ts MEASURES LAST(a.n, 0) AS l0, LAST(a.n, 1) AS l1, LAST(a.n, 3) AS l3, FIRST(a.n, 2) AS f2, FIRST(a.n + 1) AS fe, LAST(a.n) - FIRST(a.n) AS span ONE ROW PER MATCH AFTER MATCH SKIP PAST LAST ROW PATTERN (a+ b) DEFINE a AS a.n < 20 OR a.k = 'A', b AS b.k = 'C');
