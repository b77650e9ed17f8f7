-- fields of ROW, elements of ARRAY, values of MAP, in WHERE too.
CREATE TABLE boxes (
  device STRING,
  epoch_ms BIGINT,
  temps ARRAY<DOUBLE>,
  tags MAP<STRING, STRING>,
  axes ARRAY<ROW<name STRING, `load` DOUBLE>>,
  ts AS TO_TIMESTAMP_LTZ(epoch_ms, 3),
  WATERMARK FOR ts AS ts - INTERVAL '2' SECOND
) WITH ('connector' = 'filesystem', 'path' = 'data/machines.json', 'format' = 'json');

SELECT device, ts, axes[1].name AS first_name, axes[CARDINALITY(axes)].`load` AS last_load, tags['hall'] AS hall, temps[2] AS other_temp FROM boxes WHERE tags['hall'] = 'A' OR axes[1].`load` > 0.2;
