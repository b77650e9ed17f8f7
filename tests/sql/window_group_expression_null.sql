-- A row whose computed event time is NULL is in no window of GROUP BY.
CREATE TABLE readings (
  device STRING,
  zone STRING,
  ts TIMESTAMP(3),
  temp DOUBLE,
  vib INT,
  WATERMARK FOR ts AS ts - INTERVAL '5' SECOND
) WITH ('connector' = 'filesystem', 'path' = 'data/readings.csv', 'format' = 'csv', 'csv.null-literal' = '');
SELECT TUMBLE_START(NULLIF(ts, TIMESTAMP '2026-03-01 08:00:42.000'), INTERVAL '1' MINUTE) AS s, COUNT(*) AS n, MIN(ts) AS f FROM readings GROUP BY TUMBLE(NULLIF(ts, TIMESTAMP '2026-03-01 08:00:42.000'), INTERVAL '1' MINUTE);
