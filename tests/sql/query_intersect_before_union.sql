-- INTERSECT comes before UNION.
CREATE TABLE readings (
  device STRING,
  zone STRING,
  ts TIMESTAMP(3),
  temp DOUBLE,
  vib INT,
  WATERMARK FOR ts AS ts - INTERVAL '5' SECOND
) WITH ('connector' = 'filesystem', 'path' = 'data/readings.csv', 'format' = 'csv', 'csv.null-literal' = '');
CREATE TABLE machines (
  device STRING,
  hall STRING,
  owner STRING,
  max_temp DOUBLE
) WITH ('connector' = 'filesystem', 'path' = 'data/machines.csv', 'format' = 'csv', 'csv.null-literal' = '');
SELECT device FROM readings WHERE vib < 15 UNION SELECT device FROM readings INTERSECT SELECT device FROM machines;
