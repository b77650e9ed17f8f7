-- PERCENTILE of DOUBLE and INT, also of different values.
CREATE TABLE readings (
  device STRING,
  zone STRING,
  ts TIMESTAMP(3),
  temp DOUBLE,
  vib INT,
  WATERMARK FOR ts AS ts - INTERVAL '5' SECOND
) WITH ('connector' = 'filesystem', 'path' = 'data/readings.csv', 'format' = 'csv', 'csv.null-literal' = '');
SELECT device, window_start, PERCENTILE(temp, 0.5) AS p, PERCENTILE(vib, 0.9) AS q, PERCENTILE(DISTINCT vib, 0.25) AS d FROM TABLE(TUMBLE(TABLE readings, DESCRIPTOR(ts), INTERVAL '1' MINUTE)) GROUP BY window_start, window_end, device;
