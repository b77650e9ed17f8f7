-- Report by exception: more than 10 percent away from the one reported last.
CREATE TABLE pumps (
  device STRING,
  ts TIMESTAMP(3),
  temp DOUBLE,
  vib DOUBLE,
  WATERMARK FOR ts AS ts - INTERVAL '5' SECOND
) WITH ('connector' = 'filesystem', 'path' = 'data/pumps.csv', 'format' = 'csv', 'csv.null-literal' = '');

SELECT * FROM pumps MATCH_RECOGNIZE (
  PARTITION BY device ORDER BY ts
  MEASURES moved.ts AS ts, reported.temp AS before_temp, moved.temp AS temp
  ONE ROW PER MATCH
  AFTER MATCH SKIP TO LAST moved
  PATTERN (reported near*? moved)
  DEFINE reported AS reported.temp IS NOT NULL, moved AS ABS(moved.temp - reported.temp) > ABS(reported.temp) * 0.1e0);
