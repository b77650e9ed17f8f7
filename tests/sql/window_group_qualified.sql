-- The columns of GROUP BY TUMBLE(…), with the name of their table and without.
CREATE TABLE readings (
  device STRING,
  zone STRING,
  ts TIMESTAMP(3),
  temp DOUBLE,
  vib INT,
  WATERMARK FOR ts AS ts - INTERVAL '5' SECOND
) WITH ('connector' = 'filesystem', 'path' = 'data/readings.csv', 'format' = 'csv', 'csv.null-literal' = '');
SELECT t.device, TUMBLE_END(t.ts, INTERVAL '1' MINUTE) AS s, COUNT(*) AS n FROM readings AS t GROUP BY TUMBLE(ts, INTERVAL '1' MINUTE), device;
