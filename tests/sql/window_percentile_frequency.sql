-- PERCENTILE with how often each value counts: a column, a constant, below zero and NULL.
CREATE TABLE readings (
  device STRING,
  zone STRING,
  ts TIMESTAMP(3),
  temp DOUBLE,
  vib INT,
  WATERMARK FOR ts AS ts - INTERVAL '5' SECOND
) WITH ('connector' = 'filesystem', 'path' = 'data/readings.csv', 'format' = 'csv', 'csv.null-literal' = '');
SELECT window_start, PERCENTILE(temp, 0.5, vib) AS p, PERCENTILE(temp, 0.9, 3) AS q, PERCENTILE(temp, 0.3, vib - 20) AS r, PERCENTILE(temp, 0.3, CASE WHEN vib > 20 THEN vib END) AS s FROM TABLE(TUMBLE(TABLE readings, DESCRIPTOR(ts), INTERVAL '5' MINUTE)) GROUP BY window_start, window_end;
