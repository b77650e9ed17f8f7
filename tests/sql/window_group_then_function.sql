-- A window function over TUMBLE_ROWTIME, through a view.
CREATE TABLE readings (
  device STRING,
  zone STRING,
  ts TIMESTAMP(3),
  temp DOUBLE,
  vib INT,
  WATERMARK FOR ts AS ts - INTERVAL '5' SECOND
) WITH ('connector' = 'filesystem', 'path' = 'data/readings.csv', 'format' = 'csv', 'csv.null-literal' = '');
CREATE VIEW v AS SELECT device, TUMBLE_ROWTIME(ts, INTERVAL '1' MINUTE) AS r, COUNT(*) AS n FROM readings GROUP BY TUMBLE(ts, INTERVAL '1' MINUTE), device;
SELECT window_start, SUM(n) AS n, COUNT(*) AS c FROM TABLE(TUMBLE(TABLE v, DESCRIPTOR(r), INTERVAL '2' MINUTE)) GROUP BY window_start, window_end;
