-- UNNEST of an expression over the row.
CREATE TABLE samples (
  id INT,
  device STRING,
  ts TIMESTAMP(3),
  temp DOUBLE,
  WATERMARK FOR ts AS ts - INTERVAL '5' SECOND
) WITH ('connector' = 'filesystem', 'path' = 'data/samples.csv', 'format' = 'csv', 'csv.null-literal' = '');

SELECT id, x FROM samples CROSS JOIN UNNEST(ARRAY[temp, temp + 1e0]) AS u (x) WHERE id < 4;
