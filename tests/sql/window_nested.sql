-- Windows over a computed event time, grouped by a field of a map and by a whole row; the rows held have arrays in them.
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

SELECT window_start, tags['hall'] AS hall, limits.high AS high, COUNT(*) AS n, MAX(temps[1]) AS hottest
FROM TABLE(TUMBLE(TABLE machines, DESCRIPTOR(ts), INTERVAL '10' SECONDS))
GROUP BY window_start, window_end, tags['hall'], limits.high;
