-- Rows that are late do not count, those before the watermark do.
CREATE TABLE beats (
  device STRING, ts TIMESTAMP(3), n INT, k STRING, x DOUBLE,
  WATERMARK FOR ts AS ts - INTERVAL '1' SECOND
) WITH ('connector' = 'filesystem', 'path' = 'data/beats.csv', 'format' = 'csv', 'csv.null-literal' = '');

SELECT * FROM beats MATCH_RECOGNIZE (
  PARTITION BY device ORDER BY ts
  MEASURES FIRST(a.n) AS n1, LAST(a.n) AS n2, COUNT(*) AS c, MATCH_ROWTIME() AS rt
  ONE ROW PER MATCH
  AFTER MATCH SKIP PAST LAST ROW
  PATTERN (a{3})
  DEFINE a AS a.n >= 0);
