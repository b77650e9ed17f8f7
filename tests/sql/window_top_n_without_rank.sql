-- Top-N whose rank is not selected: rows keep their columns only.
CREATE TABLE readings (
  device STRING,
  zone STRING,
  ts TIMESTAMP(3),
  temp DOUBLE,
  vib INT,
  WATERMARK FOR ts AS ts - INTERVAL '5' SECOND
) WITH ('connector' = 'filesystem', 'path' = 'data/readings.csv', 'format' = 'csv', 'csv.null-literal' = '');

SELECT device, temp FROM (
  SELECT device, temp, window_start, ROW_NUMBER() OVER (PARTITION BY window_start, window_end, zone ORDER BY temp ASC NULLS LAST, ts) AS r
  FROM TABLE(HOP(TABLE readings, DESCRIPTOR(ts), INTERVAL '1' MINUTE, INTERVAL '2' MINUTE)))
WHERE r < 2;
