-- FIRST and LAST with offsets; beyond the rows NULL.
CREATE TABLE steps (
  device STRING, ts TIMESTAMP(3), n INT, k STRING, x DOUBLE,
  WATERMARK FOR ts AS ts - INTERVAL '5' SECOND
) WITH ('connector' = 'filesystem', 'path' = 'data/steps.csv', 'format' = 'csv', 'csv.null-literal' = '');

SELECT * FROM steps MATCH_RECOGNIZE (
  PARTITION BY device ORDER BY ts
  MEASURES FIRST(a.n, 1) AS f1, LAST(a.n, 1) AS l1, FIRST(a.n, 5) AS f5, LAST(a.n, 0) AS l0, FIRST(a.n + 1) AS plus, LAST(a.n * 2, 1) AS twice, FIRST(1) AS one_
  ONE ROW PER MATCH
  AFTER MATCH SKIP TO NEXT ROW
  PATTERN (a+ b)
  DEFINE a AS a.k = 'A', b AS b.k = 'B');
