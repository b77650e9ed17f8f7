-- UNNEST, a window and a lookup in one query.
CREATE TABLE boxes (
  device STRING,
  epoch_ms BIGINT,
  temps ARRAY<DOUBLE>,
  tags MAP<STRING, STRING>,
  axes ARRAY<ROW<name STRING, `load` DOUBLE>>,
  ts AS TO_TIMESTAMP_LTZ(epoch_ms, 3),
  WATERMARK FOR ts AS ts - INTERVAL '2' SECOND
) WITH ('connector' = 'filesystem', 'path' = 'data/machines.json', 'format' = 'json');

SELECT window_start, x.name, COUNT(*) AS n, AVG(x.`load`) AS l FROM TABLE(TUMBLE(TABLE boxes, DESCRIPTOR(ts), INTERVAL '10' SECOND)) AS b CROSS JOIN UNNEST(b.axes) AS x (name, `load`) GROUP BY window_start, window_end, x.name;
