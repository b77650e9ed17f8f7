-- SELECT DISTINCT with window_start alone: late rows count.
CREATE TABLE late (
  device STRING,
  n INT,
  ts TIMESTAMP(3),
  WATERMARK FOR ts AS ts - INTERVAL '5' SECOND
) WITH ('connector' = 'filesystem', 'path' = 'data/late.csv', 'format' = 'csv', 'csv.null-literal' = '');

SELECT DISTINCT window_start, device FROM TABLE(TUMBLE(TABLE late, DESCRIPTOR(ts), INTERVAL '5' SECOND));
