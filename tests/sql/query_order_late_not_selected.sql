-- ORDER BY a time that is not selected: late rows.
CREATE TABLE late (
  device STRING,
  n INT,
  ts TIMESTAMP(3),
  WATERMARK FOR ts AS ts - INTERVAL '5' SECOND
) WITH ('connector' = 'filesystem', 'path' = 'data/late.csv', 'format' = 'csv', 'csv.null-literal' = '');
SELECT n FROM late ORDER BY ts;
