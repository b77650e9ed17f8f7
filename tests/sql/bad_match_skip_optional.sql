-- SKIP TO a variable that may take no row.
CREATE TABLE steps (
  device STRING, ts TIMESTAMP(3), n INT, k STRING, x DOUBLE,
  WATERMARK FOR ts AS ts - INTERVAL '5' SECOND
) WITH ('connector' = 'filesystem', 'path' = 'data/steps.csv', 'format' = 'csv', 'csv.null-literal' = '');

SELECT * FROM steps MATCH_RECOGNIZE (PARTITION BY device ORDER BY ts MEASURES a.n AS an, FIRST(b.n) AS bn, c.n AS cn ONE ROW PER MATCH AFTER MATCH SKIP TO LAST b PATTERN (a b* c) DEFINE a AS a.k = 'A', b AS b.k = 'B', c AS c.k <> 'B');
