-- VALUES as a small table to join with.
CREATE TABLE samples (
  id INT,
  device STRING,
  ts TIMESTAMP(3),
  temp DOUBLE,
  WATERMARK FOR ts AS ts - INTERVAL '5' SECOND
) WITH ('connector' = 'filesystem', 'path' = 'data/samples.csv', 'format' = 'csv', 'csv.null-literal' = '');

SELECT s.id, s.device, s.temp, m.hall FROM samples AS s JOIN (VALUES ('press-1', 'A'), ('press-2', 'B'), ('press-1', 'C')) AS m (device, hall) ON s.device = m.device;
