-- An interval join by TUMBLE_ROWTIME.
CREATE TABLE readings (
  device STRING,
  zone STRING,
  ts TIMESTAMP(3),
  temp DOUBLE,
  vib INT,
  WATERMARK FOR ts AS ts - INTERVAL '5' SECOND
) WITH ('connector' = 'filesystem', 'path' = 'data/readings.csv', 'format' = 'csv', 'csv.null-literal' = '');
SELECT a.device, a.s, b.n FROM (SELECT device, TUMBLE_START(ts, INTERVAL '1' MINUTE) AS s, TUMBLE_ROWTIME(ts, INTERVAL '1' MINUTE) AS r, COUNT(*) AS n FROM readings GROUP BY TUMBLE(ts, INTERVAL '1' MINUTE), device) AS a JOIN (SELECT device, TUMBLE_ROWTIME(ts, INTERVAL '30' SECOND) AS r, COUNT(*) AS n FROM readings GROUP BY TUMBLE(ts, INTERVAL '30' SECOND), device) AS b ON a.device = b.device AND b.r BETWEEN a.r - INTERVAL '30' SECOND AND a.r;
