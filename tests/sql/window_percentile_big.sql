-- PERCENTILE of numbers that a DOUBLE does not hold exactly.
CREATE TABLE readings (
  device STRING,
  zone STRING,
  ts TIMESTAMP(3),
  temp DOUBLE,
  vib INT,
  WATERMARK FOR ts AS ts - INTERVAL '5' SECOND
) WITH ('connector' = 'filesystem', 'path' = 'data/readings.csv', 'format' = 'csv', 'csv.null-literal' = '');
SELECT window_start, PERCENTILE(CAST(9007199254740993 AS BIGINT) + vib, 0.5) AS p, PERCENTILE(CAST(vib AS DECIMAL(38, 4)) / 7, 0.42) AS q FROM TABLE(TUMBLE(TABLE readings, DESCRIPTOR(ts), INTERVAL '5' MINUTE)) GROUP BY window_start, window_end;
