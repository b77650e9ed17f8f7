-- ORDER BY the time, then by expressions, descending and with NULLS FIRST.
CREATE TABLE readings (
  device STRING,
  zone STRING,
  ts TIMESTAMP(3),
  temp DOUBLE,
  vib INT,
  WATERMARK FOR ts AS ts - INTERVAL '5' SECOND
) WITH ('connector' = 'filesystem', 'path' = 'data/readings.csv', 'format' = 'csv', 'csv.null-literal' = '');
SELECT device FROM readings ORDER BY ts, UPPER(device) DESC NULLS FIRST, temp;
