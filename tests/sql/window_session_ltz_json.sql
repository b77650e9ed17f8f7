-- sessions of JSON rows with a computed event time.
CREATE TABLE boxes (
  device STRING,
  epoch_ms BIGINT,
  temps ARRAY<DOUBLE>,
  tags MAP<STRING, STRING>,
  axes ARRAY<ROW<name STRING, `load` DOUBLE>>,
  ts AS TO_TIMESTAMP_LTZ(epoch_ms, 3),
  WATERMARK FOR ts AS ts - INTERVAL '2' SECOND
) WITH ('connector' = 'filesystem', 'path' = 'data/machines.json', 'format' = 'json');

SELECT device, window_start, window_end, window_time, COUNT(*) AS n FROM TABLE(SESSION(TABLE boxes PARTITION BY device, DESCRIPTOR(ts), INTERVAL '3' SECOND)) GROUP BY device, window_start, window_end, window_time;
