-- The same without another key, and HAVING.
CREATE TABLE readings (
  device STRING,
  zone STRING,
  ts TIMESTAMP(3),
  temp DOUBLE,
  vib INT,
  WATERMARK FOR ts AS ts - INTERVAL '5' SECOND
) WITH ('connector' = 'filesystem', 'path' = 'data/readings.csv', 'format' = 'csv', 'csv.null-literal' = '');
SELECT HOP_START(ts, INTERVAL '0.7' SECOND, INTERVAL '1.2' SECOND) AS s, COUNT(*) AS n, MAX(vib) AS m FROM readings GROUP BY HOP(ts, INTERVAL '0.7' SECOND, INTERVAL '1.2' SECOND) HAVING COUNT(*) > 0;
