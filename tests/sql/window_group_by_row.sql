-- GROUP BY a row and an array: each value of them is a group, NULL too.
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

SELECT window_start, CAST(limits AS STRING) AS limits, CAST(temps AS STRING) AS temps, COUNT(*) AS n
FROM TABLE(TUMBLE(TABLE machines, DESCRIPTOR(ts), INTERVAL '10' SECONDS))
GROUP BY window_start, window_end, limits, temps;
