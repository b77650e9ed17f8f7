-- PERCENTILE with several computed fractions.
CREATE TABLE readings (
  device STRING,
  zone STRING,
  ts TIMESTAMP(3),
  temp DOUBLE,
  vib INT,
  WATERMARK FOR ts AS ts - INTERVAL '5' SECOND
) WITH ('connector' = 'filesystem', 'path' = 'data/readings.csv', 'format' = 'csv', 'csv.null-literal' = '');
SELECT window_start, PERCENTILE(temp, ARRAY[1.0 - 0.75, 1 / 2e0, CAST('0.9' AS DOUBLE), 1 - 1])[1] AS a, PERCENTILE(temp, ARRAY[1.0 - 0.75, 1 / 2e0, CAST('0.9' AS DOUBLE), 1 - 1])[2] AS b, PERCENTILE(temp, ARRAY[1.0 - 0.75, 1 / 2e0, CAST('0.9' AS DOUBLE), 1 - 1])[3] AS c, PERCENTILE(temp, ARRAY[1.0 - 0.75, 1 / 2e0, CAST('0.9' AS DOUBLE), 1 - 1])[4] AS d FROM TABLE(TUMBLE(TABLE readings, DESCRIPTOR(ts), INTERVAL '1' MINUTE)) GROUP BY window_start, window_end;
