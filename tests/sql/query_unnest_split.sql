-- UNNEST of the parts of a text.
CREATE TABLE samples (
  id INT,
  device STRING,
  ts TIMESTAMP(3),
  temp DOUBLE,
  WATERMARK FOR ts AS ts - INTERVAL '5' SECOND
) WITH ('connector' = 'filesystem', 'path' = 'data/samples.csv', 'format' = 'csv', 'csv.null-literal' = '');

SELECT id, part FROM samples CROSS JOIN UNNEST(SPLIT(device, '-')) AS u (part) WHERE id < 5;
