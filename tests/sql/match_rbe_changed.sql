-- Report by exception: each row whose value differs from the one before it; NULL is a value of its own.
CREATE TABLE pumps (
  device STRING,
  ts TIMESTAMP(3),
  temp DOUBLE,
  vib DOUBLE,
  WATERMARK FOR ts AS ts - INTERVAL '5' SECOND
) WITH ('connector' = 'filesystem', 'path' = 'data/pumps.csv', 'format' = 'csv', 'csv.null-literal' = '');

SELECT * FROM pumps MATCH_RECOGNIZE (
  PARTITION BY device ORDER BY ts
  MEASURES b.ts AS ts, a.temp AS before_temp, b.temp AS temp
  ONE ROW PER MATCH
  AFTER MATCH SKIP TO NEXT ROW
  PATTERN (a b)
  DEFINE b AS b.temp IS DISTINCT FROM a.temp);
