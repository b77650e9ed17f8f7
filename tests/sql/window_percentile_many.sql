-- Several PERCENTILEs, with DISTINCT and with FILTER.
CREATE TABLE readings (
  device STRING,
  zone STRING,
  ts TIMESTAMP(3),
  temp DOUBLE,
  vib INT,
  WATERMARK FOR ts AS ts - INTERVAL '5' SECOND
) WITH ('connector' = 'filesystem', 'path' = 'data/readings.csv', 'format' = 'csv', 'csv.null-literal' = '');
SELECT device, window_start, PERCENTILE(temp, 0.1) AS a, PERCENTILE(temp, 0.95) AS b, PERCENTILE(DISTINCT temp, 0.5) AS c, PERCENTILE(vib, 0.5) FILTER (WHERE vib > 10) AS d FROM TABLE(TUMBLE(TABLE readings, DESCRIPTOR(ts), INTERVAL '5' MINUTE)) GROUP BY window_start, window_end, device;
