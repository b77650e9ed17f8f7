-- LIMIT of a branch in parentheses and of the whole.
CREATE TABLE samples (
  id INT,
  device STRING,
  ts TIMESTAMP(3),
  temp DOUBLE,
  WATERMARK FOR ts AS ts - INTERVAL '5' SECOND
) WITH ('connector' = 'filesystem', 'path' = 'data/samples.csv', 'format' = 'csv', 'csv.null-literal' = '');

(SELECT id FROM samples LIMIT 2) UNION ALL (SELECT id + 100 FROM samples LIMIT 3);
