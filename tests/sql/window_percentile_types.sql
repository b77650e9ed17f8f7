-- PERCENTILE of DECIMAL, BIGINT, FLOAT, and a fraction as DOUBLE.
CREATE TABLE readings (
  device STRING,
  zone STRING,
  ts TIMESTAMP(3),
  temp DOUBLE,
  vib INT,
  WATERMARK FOR ts AS ts - INTERVAL '5' SECOND
) WITH ('connector' = 'filesystem', 'path' = 'data/readings.csv', 'format' = 'csv', 'csv.null-literal' = '');
SELECT window_start, PERCENTILE(CAST(temp AS DECIMAL(10,2)), 0.5) AS p, PERCENTILE(CAST(vib AS BIGINT), 0.333) AS q, PERCENTILE(CAST(temp AS FLOAT), 0.5) AS f, PERCENTILE(temp, 5e-1) AS g FROM TABLE(TUMBLE(TABLE readings, DESCRIPTOR(ts), INTERVAL '1' MINUTE)) GROUP BY window_start, window_end;
