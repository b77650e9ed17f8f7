-- GROUP BY TUMBLE(…) in order of TUMBLE_ROWTIME, which is not selected.
CREATE TABLE readings (
  device STRING,
  zone STRING,
  ts TIMESTAMP(3),
  temp DOUBLE,
  vib INT,
  WATERMARK FOR ts AS ts - INTERVAL '5' SECOND
) WITH ('connector' = 'filesystem', 'path' = 'data/readings.csv', 'format' = 'csv', 'csv.null-literal' = '');
SELECT TUMBLE_START(ts, INTERVAL '1' MINUTE) AS s, COUNT(*) AS n FROM readings GROUP BY TUMBLE(ts, INTERVAL '1' MINUTE) ORDER BY TUMBLE_ROWTIME(ts, INTERVAL '1' MINUTE);
