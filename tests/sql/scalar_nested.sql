-- Arrays, maps and rows of JSON input: elements, keys, fields, also through each other; NULL where nothing is.
CREATE TABLE machines (
  device STRING,
  epoch_ms BIGINT,
  temps ARRAY<DOUBLE>,
  limits ROW<low DOUBLE, high DOUBLE>,
  tags MAP<STRING, STRING>,
  axes ARRAY<ROW<name STRING, load DOUBLE>>,
  ts AS TO_TIMESTAMP_LTZ(epoch_ms, 3),
  WATERMARK FOR ts AS ts - INTERVAL '2' SECOND
) WITH ('connector' = 'filesystem', 'path' = 'data/machines.json', 'format' = 'json');

SELECT device, temps[1] AS first, temps[4] AS fourth, CARDINALITY(temps) AS n, limits.low, limits.high AS high,
  machines.limits.low AS low_again, tags['hall'] AS hall, tags['none'] AS missing, CARDINALITY(tags) AS tag_count,
  axes[1].name AS axis, axes[2].load AS second_load, limits IS NULL AS unlimited, ARRAY_CONTAINS(temps, 19.0e0) AS has_19,
  ARRAY_MAX(temps) AS hottest, ARRAY_JOIN(ARRAY[device, tags['hall']], '/') AS place, CAST(temps AS STRING) AS shown
FROM machines;
