-- Windows over TIMESTAMP_LTZ: start and end are plain times.
CREATE TABLE meters (
  meter STRING,
  ts TIMESTAMP_LTZ(3),
  kwh DOUBLE,
  phase INT,
  note STRING,
  site STRING,
  WATERMARK FOR ts AS ts - INTERVAL '3' SECOND
) WITH ('connector' = 'filesystem', 'path' = 'data/meters.json', 'format' = 'json', 'json.timestamp-format.standard' = 'ISO-8601');
SELECT site, window_start, window_end, window_time, COUNT(*) AS n, SUM(kwh) AS e, MAX(ts) AS newest FROM TABLE(TUMBLE(TABLE meters, DESCRIPTOR(ts), INTERVAL '30' SECOND)) GROUP BY site, window_start, window_end, window_time;
