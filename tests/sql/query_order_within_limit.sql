-- ORDER BY in a subquery means nothing: LIMIT takes what comes first.
CREATE TABLE readings (
  device STRING,
  zone STRING,
  ts TIMESTAMP(3),
  temp DOUBLE,
  vib INT,
  WATERMARK FOR ts AS ts - INTERVAL '5' SECOND
) WITH ('connector' = 'filesystem', 'path' = 'data/readings.csv', 'format' = 'csv', 'csv.null-literal' = '');
SELECT * FROM (SELECT ts, device FROM readings ORDER BY ts) LIMIT 3;
