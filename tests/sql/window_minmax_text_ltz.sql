-- MIN and MAX of TIMESTAMP_LTZ and of text; difference of both.
CREATE TABLE meters (
  meter STRING,
  ts TIMESTAMP_LTZ(3),
  kwh DOUBLE,
  phase INT,
  note STRING,
  site STRING,
  WATERMARK FOR ts AS ts - INTERVAL '3' SECOND
) WITH ('connector' = 'filesystem', 'path' = 'data/meters.json', 'format' = 'json', 'json.timestamp-format.standard' = 'ISO-8601');

SELECT window_start, site, MIN(ts) AS t1, MAX(ts) AS t2, TIMESTAMPDIFF(SECOND, MIN(ts), MAX(ts)) AS span, MIN(note) AS lo, MAX(note) AS hi FROM TABLE(TUMBLE(TABLE meters, DESCRIPTOR(ts), INTERVAL '1' MINUTE)) GROUP BY window_start, window_end, site;
