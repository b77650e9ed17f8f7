-- LEFT JOIN UNNEST with numbers.
CREATE TABLE boxes (
  device STRING,
  epoch_ms BIGINT,
  temps ARRAY<DOUBLE>,
  tags MAP<STRING, STRING>,
  axes ARRAY<ROW<name STRING, `load` DOUBLE>>,
  ts AS TO_TIMESTAMP_LTZ(epoch_ms, 3),
  WATERMARK FOR ts AS ts - INTERVAL '2' SECOND
) WITH ('connector' = 'filesystem', 'path' = 'data/machines.json', 'format' = 'json');

SELECT device, epoch_ms, t, nr FROM boxes LEFT JOIN UNNEST(temps) WITH ORDINALITY AS u (t, nr) ON TRUE;
