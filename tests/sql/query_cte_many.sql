-- Three CTEs, each over the one before, and a union of them.
CREATE TABLE readings (
  device STRING,
  zone STRING,
  ts TIMESTAMP(3),
  temp DOUBLE,
  vib INT,
  WATERMARK FOR ts AS ts - INTERVAL '5' SECOND
) WITH ('connector' = 'filesystem', 'path' = 'data/readings.csv', 'format' = 'csv', 'csv.null-literal' = '');

WITH hot AS (SELECT * FROM readings WHERE temp > 60), shaken AS (SELECT * FROM readings WHERE vib > 30),
  both_kinds AS (SELECT device, ts, 'hot' AS what, temp AS v FROM hot UNION ALL SELECT device, ts, 'shaken', CAST(vib AS DOUBLE) FROM shaken)
SELECT what, UPPER(device) AS device, ts, v FROM both_kinds WHERE v < 90 OR what = 'shaken';
