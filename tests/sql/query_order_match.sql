-- ORDER BY MATCH_ROWTIME, which is not selected.
CREATE TABLE readings (
  device STRING,
  zone STRING,
  ts TIMESTAMP(3),
  temp DOUBLE,
  vib INT,
  WATERMARK FOR ts AS ts - INTERVAL '5' SECOND
) WITH ('connector' = 'filesystem', 'path' = 'data/readings.csv', 'format' = 'csv', 'csv.null-literal' = '');
SELECT device FROM readings MATCH_RECOGNIZE (PARTITION BY device ORDER BY ts MEASURES MATCH_ROWTIME() AS t AFTER MATCH SKIP PAST LAST ROW PATTERN (a{3}) DEFINE a AS TRUE) ORDER BY t;
