-- ORDER BY two columns with the name of their table that are not selected.
CREATE TABLE readings (
  device STRING,
  zone STRING,
  ts TIMESTAMP(3),
  temp DOUBLE,
  vib INT,
  WATERMARK FOR ts AS ts - INTERVAL '5' SECOND
) WITH ('connector' = 'filesystem', 'path' = 'data/readings.csv', 'format' = 'csv', 'csv.null-literal' = '');
SELECT r.device AS d FROM readings AS r ORDER BY r.ts, r.vib;
