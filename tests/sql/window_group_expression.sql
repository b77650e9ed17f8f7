-- A window in GROUP BY over an event time that was moved.
CREATE TABLE readings (
  device STRING,
  zone STRING,
  ts TIMESTAMP(3),
  temp DOUBLE,
  vib INT,
  WATERMARK FOR ts AS ts - INTERVAL '5' SECOND
) WITH ('connector' = 'filesystem', 'path' = 'data/readings.csv', 'format' = 'csv', 'csv.null-literal' = '');
SELECT TUMBLE_START(ts + INTERVAL '1' SECOND, INTERVAL '1' MINUTE) AS s, COUNT(*) AS n, MIN(ts) AS f FROM readings GROUP BY TUMBLE(ts + INTERVAL '1' SECOND, INTERVAL '1' MINUTE);
