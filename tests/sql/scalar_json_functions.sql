-- JSON_VALUE with types and defaults, JSON_QUERY, JSON_EXISTS, JSON_OBJECT, IS JSON.
CREATE TABLE alarms (
  id BIGINT,
  device STRING,
  `at` TIMESTAMP_LTZ(3),
  level STRING,
  `value` DOUBLE,
  note STRING,
  WATERMARK FOR `at` AS `at` - INTERVAL '5' SECOND
) WITH ('connector' = 'filesystem', 'path' = 'data/alarms.json', 'format' = 'json', 'json.timestamp-format.standard' = 'ISO-8601');

SELECT id, JSON_VALUE(j, '$.v' RETURNING DOUBLE DEFAULT -1.0 ON EMPTY) AS v, JSON_VALUE(j, 'lax $.device') AS d, JSON_QUERY(j, '$.list[0 to 1]' WITH WRAPPER) AS q, JSON_EXISTS(j, '$.device') AS e, j IS JSON OBJECT AS o, JSON_OBJECT('a' VALUE level, 'b' VALUE id ABSENT ON NULL) AS ob, JSON_ARRAY(id, level NULL ON NULL) AS ar FROM (SELECT id, level, '{"device":"' || COALESCE(device, '?') || '","v":' || COALESCE(CAST(`value` AS STRING), 'null') || ',"list":[1,2,3]}' AS j FROM alarms);
