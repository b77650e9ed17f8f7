-- PERCENTILE of NaN and of infinities.
CREATE TABLE readings (
  device STRING,
  zone STRING,
  ts TIMESTAMP(3),
  temp DOUBLE,
  vib INT,
  WATERMARK FOR ts AS ts - INTERVAL '5' SECOND
) WITH ('connector' = 'filesystem', 'path' = 'data/readings.csv', 'format' = 'csv', 'csv.null-literal' = '');
SELECT window_start, PERCENTILE(CASE vib WHEN 10 THEN CAST('NaN' AS DOUBLE) WHEN 44 THEN CAST('Infinity' AS DOUBLE) ELSE temp END, 0.5) AS a, PERCENTILE(CASE vib WHEN 10 THEN CAST('NaN' AS DOUBLE) ELSE temp END, 1.0) AS b FROM TABLE(TUMBLE(TABLE readings, DESCRIPTOR(ts), INTERVAL '5' MINUTE)) GROUP BY window_start, window_end;
