-- WHERE over elements, and a view that renames; SELECT * brings computed columns in their place.
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

CREATE TEMPORARY VIEW hot (machine, peak, at_ms) AS
SELECT device, ARRAY_MAX(temps), epoch_ms FROM machines WHERE CARDINALITY(temps) > 0 AND limits.high > ARRAY_MAX(temps);
SELECT machine, peak, at_ms FROM hot WHERE peak BETWEEN 19 AND 23;
