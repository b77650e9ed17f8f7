-- ORDER BY the time, then by CASE.
CREATE TABLE readings (
  device STRING,
  zone STRING,
  ts TIMESTAMP(3),
  temp DOUBLE,
  vib INT,
  WATERMARK FOR ts AS ts - INTERVAL '5' SECOND
) WITH ('connector' = 'filesystem', 'path' = 'data/readings.csv', 'format' = 'csv', 'csv.null-literal' = '');
SELECT device FROM readings WHERE vib > 20 ORDER BY ts, CASE WHEN temp > 50 THEN 1 ELSE 0 END DESC, device;
