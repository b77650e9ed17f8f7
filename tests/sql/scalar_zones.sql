-- TIMESTAMP_LTZ: parts, casts, text, comparisons, CONVERT_TZ.
CREATE TABLE alarms (
  id BIGINT,
  device STRING,
  `at` TIMESTAMP_LTZ(3),
  level STRING,
  `value` DOUBLE,
  note STRING,
  WATERMARK FOR `at` AS `at` - INTERVAL '5' SECOND
) WITH ('connector' = 'filesystem', 'path' = 'data/alarms.json', 'format' = 'json', 'json.timestamp-format.standard' = 'ISO-8601');

SELECT id, EXTRACT(HOUR FROM `at`) AS h, CAST(`at` AS TIMESTAMP(3)) AS t, DATE_FORMAT(`at`, 'HH:mm:ss.SSS') AS f, `at` > TO_TIMESTAMP_LTZ(1772352005000, 3) AS later, TIMESTAMPDIFF(SECOND, TO_TIMESTAMP_LTZ(1772352000, 0), `at`) AS secs, FLOOR(`at` TO MINUTE) AS fl, CAST(`at` AS DATE) AS d, CONVERT_TZ(DATE_FORMAT(`at`, 'yyyy-MM-dd HH:mm:ss'), 'UTC', 'Europe/Berlin') AS cet, `at` + INTERVAL '1' DAY AS nd FROM alarms;
