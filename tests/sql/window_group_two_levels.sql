-- TUMBLE_ROWTIME is an event time: the windows of windows.
CREATE TABLE readings (
  device STRING,
  zone STRING,
  ts TIMESTAMP(3),
  temp DOUBLE,
  vib INT,
  WATERMARK FOR ts AS ts - INTERVAL '5' SECOND
) WITH ('connector' = 'filesystem', 'path' = 'data/readings.csv', 'format' = 'csv', 'csv.null-literal' = '');
SELECT TUMBLE_START(r, INTERVAL '2' MINUTE) AS s, SUM(n) AS n, COUNT(*) AS c FROM (SELECT device, TUMBLE_ROWTIME(ts, INTERVAL '1' MINUTE) AS r, COUNT(*) AS n FROM readings GROUP BY TUMBLE(ts, INTERVAL '1' MINUTE), device) GROUP BY TUMBLE(r, INTERVAL '2' MINUTE);
