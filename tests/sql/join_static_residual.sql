-- A stream with a static table: equal keys, a test of each pair, a test of each side.
CREATE TABLE samples (
  id INT,
  device STRING,
  ts TIMESTAMP(3),
  temp DOUBLE,
  WATERMARK FOR ts AS ts - INTERVAL '5' SECOND
) WITH ('connector' = 'filesystem', 'path' = 'data/samples.csv', 'format' = 'csv', 'csv.null-literal' = '');

CREATE TABLE machines (
  device STRING,
  hall STRING,
  owner STRING,
  max_temp DOUBLE
) WITH ('connector' = 'filesystem', 'path' = 'data/machines.csv', 'format' = 'csv', 'csv.null-literal' = '');

SELECT s.*, m.hall, m.max_temp
FROM samples s INNER JOIN machines m ON s.device = m.device AND s.temp < m.max_temp
WHERE m.owner IS NOT NULL AND s.id > 2;
