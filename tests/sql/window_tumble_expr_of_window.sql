-- Expressions over window columns and aggregates together, and CASE over an aggregate.
CREATE TABLE readings (
  device STRING,
  zone STRING,
  ts TIMESTAMP(3),
  temp DOUBLE,
  vib INT,
  WATERMARK FOR ts AS ts - INTERVAL '5' SECOND
) WITH ('connector' = 'filesystem', 'path' = 'data/readings.csv', 'format' = 'csv', 'csv.null-literal' = '');

SELECT DATE_FORMAT(window_start, 'HH:mm') || '-' || DATE_FORMAT(window_end, 'HH:mm') AS span, device,
  CASE WHEN AVG(temp) > 60 THEN 'hot' WHEN AVG(temp) IS NULL THEN 'none' ELSE 'ok' END AS state,
  ROUND(AVG(temp), 1) AS mean, CAST(SUM(vib) AS DOUBLE) / COUNT(vib) AS mean_vib, COUNT(*) - COUNT(vib) AS missing
FROM TABLE(TUMBLE(TABLE readings, DESCRIPTOR(ts), INTERVAL '1' MINUTE))
GROUP BY window_start, window_end, device;
