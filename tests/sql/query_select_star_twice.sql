-- stars beside columns, aliases and a computed column.
CREATE TABLE boxes (
  device STRING,
  epoch_ms BIGINT,
  temps ARRAY<DOUBLE>,
  tags MAP<STRING, STRING>,
  axes ARRAY<ROW<name STRING, `load` DOUBLE>>,
  ts AS TO_TIMESTAMP_LTZ(epoch_ms, 3),
  WATERMARK FOR ts AS ts - INTERVAL '2' SECOND
) WITH ('connector' = 'filesystem', 'path' = 'data/machines.json', 'format' = 'json');

SELECT b.*, UPPER(device) AS up, b.epoch_ms AS again FROM (SELECT device, epoch_ms, ts, CARDINALITY(temps) AS n FROM boxes) AS b;
