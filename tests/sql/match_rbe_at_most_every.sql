-- Report by exception: a row at most every 10 seconds.
CREATE TABLE pumps (
  device STRING,
  ts TIMESTAMP(3),
  temp DOUBLE,
  vib DOUBLE,
  WATERMARK FOR ts AS ts - INTERVAL '5' SECOND
) WITH ('connector' = 'filesystem', 'path' = 'data/pumps.csv', 'format' = 'csv', 'csv.null-literal' = '');

SELECT * FROM pumps MATCH_RECOGNIZE (
  PARTITION BY device ORDER BY ts
  MEASURES later.ts AS ts, later.temp AS temp
  ONE ROW PER MATCH
  AFTER MATCH SKIP TO LAST later
  PATTERN (reported dropped*? later)
  DEFINE later AS later.ts >= reported.ts + INTERVAL '10' SECOND);
