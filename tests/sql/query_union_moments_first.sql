-- UNION ALL of a TIMESTAMP_LTZ and a TIMESTAMP has the type of the first.
CREATE TABLE samples (
  id INT,
  device STRING,
  ts TIMESTAMP(3),
  temp DOUBLE,
  WATERMARK FOR ts AS ts - INTERVAL '5' SECOND
) WITH ('connector' = 'filesystem', 'path' = 'data/samples.csv', 'format' = 'csv', 'csv.null-literal' = '');
CREATE TABLE alarms (
  id BIGINT,
  device STRING,
  `at` TIMESTAMP_LTZ(3),
  WATERMARK FOR `at` AS `at` - INTERVAL '5' SECOND
) WITH ('connector' = 'filesystem', 'path' = 'data/alarms.json', 'format' = 'json', 'json.timestamp-format.standard' = 'ISO-8601');
SELECT device, `at` FROM alarms
UNION ALL
SELECT device, ts FROM samples;
