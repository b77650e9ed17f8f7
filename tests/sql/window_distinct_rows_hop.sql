-- SELECT DISTINCT with the columns of a hopping window.
CREATE TABLE late (
  device STRING,
  n INT,
  ts TIMESTAMP(3),
  WATERMARK FOR ts AS ts - INTERVAL '5' SECOND
) WITH ('connector' = 'filesystem', 'path' = 'data/late.csv', 'format' = 'csv', 'csv.null-literal' = '');

SELECT DISTINCT device, window_end, window_start, n > 4 AS big FROM TABLE(HOP(TABLE late, DESCRIPTOR(ts), INTERVAL '2' SECOND, INTERVAL '4' SECOND));
