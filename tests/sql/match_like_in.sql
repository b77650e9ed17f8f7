-- IN, LIKE, BETWEEN and NOT in conditions.
CREATE TABLE steps (
  device STRING, ts TIMESTAMP(3), n INT, k STRING, x DOUBLE,
  WATERMARK FOR ts AS ts - INTERVAL '5' SECOND
) WITH ('connector' = 'filesystem', 'path' = 'data/steps.csv', 'format' = 'csv', 'csv.null-literal' = '');

SELECT * FROM steps MATCH_RECOGNIZE (PARTITION BY device ORDER BY ts MEASURES a.n AS an, LAST(b.n) AS bn, c.n AS cn ONE ROW PER MATCH AFTER MATCH SKIP PAST LAST ROW PATTERN (a b* c) DEFINE a AS a.k IN ('A', 'B'), b AS b.k NOT IN ('C') AND b.n BETWEEN a.n AND a.n + 6, c AS c.k LIKE '_' AND NOT (c.n < a.n));
