-- ORDER BY of a UNION ALL.
CREATE TABLE readings (
  device STRING,
  zone STRING,
  ts TIMESTAMP(3),
  temp DOUBLE,
  vib INT,
  WATERMARK FOR ts AS ts - INTERVAL '5' SECOND
) WITH ('connector' = 'filesystem', 'path' = 'data/readings.csv', 'format' = 'csv', 'csv.null-literal' = '');
CREATE TABLE samples (
  id INT,
  device STRING,
  ts TIMESTAMP(3),
  temp DOUBLE,
  WATERMARK FOR ts AS ts - INTERVAL '5' SECOND
) WITH ('connector' = 'filesystem', 'path' = 'data/samples.csv', 'format' = 'csv', 'csv.null-literal' = '');
SELECT ts, device FROM readings UNION ALL SELECT ts, device FROM samples ORDER BY ts;
