-- VALUES in UNION ALL.
CREATE TABLE samples (
  id INT,
  device STRING,
  ts TIMESTAMP(3),
  temp DOUBLE,
  WATERMARK FOR ts AS ts - INTERVAL '5' SECOND
) WITH ('connector' = 'filesystem', 'path' = 'data/samples.csv', 'format' = 'csv', 'csv.null-literal' = '');

SELECT id, device FROM samples WHERE id = 1 UNION ALL VALUES (100, 'x'), (200, 'y');
