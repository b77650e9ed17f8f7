-- A CAST makes a plain time of an event time, which closes no window of GROUP BY.
CREATE TABLE readings (
  device STRING,
  zone STRING,
  ts TIMESTAMP(3),
  temp DOUBLE,
  vib INT,
  WATERMARK FOR ts AS ts - INTERVAL '5' SECOND
) WITH ('connector' = 'filesystem', 'path' = 'data/readings.csv', 'format' = 'csv', 'csv.null-literal' = '');
SELECT TUMBLE_START(CAST(ts AS TIMESTAMP(3)), INTERVAL '1' MINUTE) AS s, COUNT(*) AS n, MIN(ts) AS f FROM readings GROUP BY TUMBLE(CAST(ts AS TIMESTAMP(3)), INTERVAL '1' MINUTE);
