-- ORDER BY in the branches of UNION ALL means nothing.
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
(SELECT device, ts FROM readings ORDER BY ts) UNION ALL (SELECT device, ts FROM samples ORDER BY ts);
