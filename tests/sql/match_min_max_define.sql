-- MIN, MAX and SUM in conditions, with arithmetic.
CREATE TABLE beats (
  device STRING, ts TIMESTAMP(3), n INT, k STRING, x DOUBLE,
  WATERMARK FOR ts AS ts - INTERVAL '5' SECOND
) WITH ('connector' = 'filesystem', 'path' = 'data/beats.csv', 'format' = 'csv', 'csv.null-literal' = '');

SELECT * FROM beats MATCH_RECOGNIZE (PARTITION BY device ORDER BY ts MEASURES MIN(a.x) AS lo, MAX(a.x) AS hi, COUNT(a.x) AS n, z.x AS zx ONE ROW PER MATCH AFTER MATCH SKIP TO NEXT ROW PATTERN (a+ z) DEFINE a AS MAX(a.x) - MIN(a.x) < 40, z AS z.x > MAX(a.x));
