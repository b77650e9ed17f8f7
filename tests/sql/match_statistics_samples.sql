-- AVG, VAR and STDDEV of whole numbers and decimals among the measures and in a condition.
CREATE TABLE steps (
  device STRING, ts TIMESTAMP(3), n INT, k STRING, x DOUBLE,
  WATERMARK FOR ts AS ts - INTERVAL '5' SECOND
) WITH ('connector' = 'filesystem', 'path' = 'data/steps.csv', 'format' = 'csv', 'csv.null-literal' = '');

SELECT * FROM steps MATCH_RECOGNIZE (PARTITION BY device ORDER BY ts MEASURES AVG(a.n) AS m, VAR_POP(a.n) AS v, STDDEV_SAMP(a.n) AS s, VAR_SAMP(CAST(a.x AS DECIMAL(8, 3))) AS d, AVG(CAST(a.n AS BIGINT)) AS b, COUNT(*) AS c ONE ROW PER MATCH AFTER MATCH SKIP PAST LAST ROW PATTERN (a{2,} b) DEFINE a AS AVG(a.n) < 20, b AS b.n > AVG(a.n));
