-- aggregates over parts of collections.
CREATE TABLE boxes (
  device STRING,
  epoch_ms BIGINT,
  temps ARRAY<DOUBLE>,
  tags MAP<STRING, STRING>,
  axes ARRAY<ROW<name STRING, `load` DOUBLE>>,
  ts AS TO_TIMESTAMP_LTZ(epoch_ms, 3),
  WATERMARK FOR ts AS ts - INTERVAL '2' SECOND
) WITH ('connector' = 'filesystem', 'path' = 'data/machines.json', 'format' = 'json');

SELECT window_start, device, MAX(temps[1]) AS m, COUNT(tags['line']) AS n, SUM(CARDINALITY(temps)) AS c FROM TABLE(TUMBLE(TABLE boxes, DESCRIPTOR(ts), INTERVAL '10' SECOND)) GROUP BY window_start, window_end, device;
