-- A TIMESTAMP compared with a TIMESTAMP_LTZ is a moment in the session's zone.
CREATE TABLE alarms (
  id BIGINT,
  device STRING,
  `at` TIMESTAMP_LTZ(3),
  WATERMARK FOR `at` AS `at` - INTERVAL '5' SECOND
) WITH ('connector' = 'filesystem', 'path' = 'data/alarms.json', 'format' = 'json', 'json.timestamp-format.standard' = 'ISO-8601');
SELECT id FROM alarms WHERE `at` >= TIMESTAMP '2026-03-01 08:00:30' AND `at` < CAST('2026-03-01 08:30:00' AS TIMESTAMP(3));
