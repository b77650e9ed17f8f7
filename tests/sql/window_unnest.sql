-- A window over the elements of arrays.
CREATE TABLE boxes (
  device STRING,
  epoch_ms BIGINT,
  temps ARRAY<DOUBLE>,
  tags MAP<STRING, STRING>,
  axes ARRAY<ROW<name STRING, `load` DOUBLE>>,
  ts AS TO_TIMESTAMP_LTZ(epoch_ms, 3),
  WATERMARK FOR ts AS ts - INTERVAL '2' SECOND
) WITH ('connector' = 'filesystem', 'path' = 'data/machines.json', 'format' = 'json');

SELECT device, COUNT(*) AS n, SUM(t) AS total, window_start AS ws FROM TABLE(TUMBLE((SELECT device, ts, t FROM boxes CROSS JOIN UNNEST(temps) AS u (t)), DESCRIPTOR(ts), INTERVAL '2' SECOND)) GROUP BY device, window_start, window_end;
