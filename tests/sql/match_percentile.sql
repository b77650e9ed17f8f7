-- PERCENTILE in MEASURES.
CREATE TABLE readings (
  device STRING,
  zone STRING,
  ts TIMESTAMP(3),
  temp DOUBLE,
  vib INT,
  WATERMARK FOR ts AS ts - INTERVAL '5' SECOND
) WITH ('connector' = 'filesystem', 'path' = 'data/readings.csv', 'format' = 'csv', 'csv.null-literal' = '');
SELECT * FROM readings MATCH_RECOGNIZE (PARTITION BY device ORDER BY ts MEASURES PERCENTILE(a.temp, 0.5) AS p AFTER MATCH SKIP PAST LAST ROW PATTERN (a{3}) DEFINE a AS TRUE);
