-- SELECT * in an order of an expression.
CREATE TABLE readings (
  device STRING,
  zone STRING,
  ts TIMESTAMP(3),
  temp DOUBLE,
  vib INT,
  WATERMARK FOR ts AS ts - INTERVAL '5' SECOND
) WITH ('connector' = 'filesystem', 'path' = 'data/readings.csv', 'format' = 'csv', 'csv.null-literal' = '');
SELECT * FROM readings ORDER BY ts, temp + vib;
