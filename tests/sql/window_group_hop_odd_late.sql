-- Rows that are late for some of the windows of HOP in GROUP BY.
CREATE TABLE readings (
  device STRING,
  zone STRING,
  ts TIMESTAMP(3),
  temp DOUBLE,
  vib INT,
  WATERMARK FOR ts AS ts - INTERVAL '5' SECOND
) WITH ('connector' = 'filesystem', 'path' = 'data/readings.csv', 'format' = 'csv', 'csv.null-literal' = '');
SELECT device, HOP_START(ts, INTERVAL '7' SECOND, INTERVAL '12' SECOND) AS s, HOP_END(ts, INTERVAL '7' SECOND, INTERVAL '12' SECOND) AS e, COUNT(*) AS n, AVG(temp) AS t FROM readings GROUP BY device, HOP(ts, INTERVAL '7' SECOND, INTERVAL '12' SECOND);
