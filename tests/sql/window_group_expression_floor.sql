-- A window in GROUP BY over an event time that was rounded.
CREATE TABLE readings (
  device STRING,
  zone STRING,
  ts TIMESTAMP(3),
  temp DOUBLE,
  vib INT,
  WATERMARK FOR ts AS ts - INTERVAL '5' SECOND
) WITH ('connector' = 'filesystem', 'path' = 'data/readings.csv', 'format' = 'csv', 'csv.null-literal' = '');
SELECT TUMBLE_START(FLOOR(ts TO MINUTE), INTERVAL '1' MINUTE) AS s, COUNT(*) AS n, MIN(ts) AS f FROM readings GROUP BY TUMBLE(FLOOR(ts TO MINUTE), INTERVAL '1' MINUTE);
