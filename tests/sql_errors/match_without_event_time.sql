CREATE TABLE t (device STRING, ts TIMESTAMP(3), temp DOUBLE) WITH ('connector' = 'filesystem', 'path' = 't.csv', 'format' = 'csv');
SELECT *
FROM t MATCH_RECOGNIZE (
  PARTITION BY device ORDER BY ts
  MEASURES a.temp AS t
  PATTERN (a b)
  DEFINE a AS a.temp > 1
);
