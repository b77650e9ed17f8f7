-- Report by exception: more than 5 away from the one reported last, or 15 seconds after it.
CREATE TABLE pumps (
  device STRING,
  ts TIMESTAMP(3),
  temp DOUBLE,
  vib DOUBLE,
  WATERMARK FOR ts AS ts - INTERVAL '5' SECOND
) WITH ('connector' = 'filesystem', 'path' = 'data/pumps.csv', 'format' = 'csv', 'csv.null-literal' = '');

SELECT * FROM pumps MATCH_RECOGNIZE (
  PARTITION BY device ORDER BY ts
  MEASURES moved.ts AS ts, moved.temp AS temp, CASE WHEN ABS(moved.temp - reported.temp) > 5 THEN 'moved' ELSE 'alive' END AS why
  ONE ROW PER MATCH
  AFTER MATCH SKIP TO LAST moved
  PATTERN (reported near*? moved)
  DEFINE reported AS reported.temp IS NOT NULL, moved AS ABS(moved.temp - reported.temp) > 5 OR moved.ts >= reported.ts + INTERVAL '15' SECOND);
