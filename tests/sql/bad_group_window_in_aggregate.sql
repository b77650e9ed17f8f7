-- TUMBLE_START inside of an aggregate.
CREATE TABLE readings (
  device STRING,
  zone STRING,
  ts TIMESTAMP(3),
  temp DOUBLE,
  vib INT,
  WATERMARK FOR ts AS ts - INTERVAL '5' SECOND
) WITH ('connector' = 'filesystem', 'path' = 'data/readings.csv', 'format' = 'csv', 'csv.null-literal' = '');
SELECT MAX(TUMBLE_START(ts, INTERVAL '1' MINUTE)) AS n FROM readings GROUP BY TUMBLE(ts, INTERVAL '1' MINUTE);
