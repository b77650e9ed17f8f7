-- LISTAGG, FIRST_VALUE, LAST_VALUE and COUNT DISTINCT among the measures.
CREATE TABLE beats (
  device STRING, ts TIMESTAMP(3), n INT, k STRING, x DOUBLE,
  WATERMARK FOR ts AS ts - INTERVAL '5' SECOND
) WITH ('connector' = 'filesystem', 'path' = 'data/beats.csv', 'format' = 'csv', 'csv.null-literal' = '');

SELECT * FROM beats MATCH_RECOGNIZE (PARTITION BY device ORDER BY ts MEASURES LISTAGG(a.k) AS ks, FIRST_VALUE(a.x) AS fx, LAST_VALUE(a.x) AS lx, STDDEV_POP(a.x) AS sd, b.n AS bn ONE ROW PER MATCH AFTER MATCH SKIP PAST LAST ROW PATTERN (a+ b) DEFINE a AS a.k <> 'B', b AS b.k = 'B');
