-- Sessions over TIMESTAMP_LTZ with FILTER and window_time.
CREATE TABLE meters (
  meter STRING,
  ts TIMESTAMP_LTZ(3),
  kwh DOUBLE,
  phase INT,
  note STRING,
  site STRING,
  WATERMARK FOR ts AS ts - INTERVAL '3' SECOND
) WITH ('connector' = 'filesystem', 'path' = 'data/meters.json', 'format' = 'json', 'json.timestamp-format.standard' = 'ISO-8601');

SELECT meter, window_start, window_end, window_time, COUNT(*) FILTER (WHERE note <> '') AS noted, AVG(kwh) AS mean FROM TABLE(SESSION(TABLE meters PARTITION BY meter, DESCRIPTOR(ts), INTERVAL '15' SECOND)) GROUP BY meter, window_start, window_end, window_time;
