-- GROUP BY TUMBLE(…): parts of the window in expressions and in HAVING.
CREATE TABLE readings (
  device STRING,
  zone STRING,
  ts TIMESTAMP(3),
  temp DOUBLE,
  vib INT,
  WATERMARK FOR ts AS ts - INTERVAL '5' SECOND
) WITH ('connector' = 'filesystem', 'path' = 'data/readings.csv', 'format' = 'csv', 'csv.null-literal' = '');
SELECT device, DATE_FORMAT(TUMBLE_START(ts, INTERVAL '1' MINUTE), 'HH:mm') AS m, MAX(temp) AS t FROM readings WHERE temp IS NOT NULL GROUP BY TUMBLE(ts, INTERVAL '1' MINUTE), device HAVING COUNT(*) > 2 AND TUMBLE_END(ts, INTERVAL '1' MINUTE) > TIMESTAMP '2026-03-01 08:02:00';
