-- CUMULATE over TIMESTAMP_LTZ from JSON, missing fields.
CREATE TABLE meters (
  meter STRING,
  ts TIMESTAMP_LTZ(3),
  kwh DOUBLE,
  phase INT,
  note STRING,
  site STRING,
  WATERMARK FOR ts AS ts - INTERVAL '3' SECOND
) WITH ('connector' = 'filesystem', 'path' = 'data/meters.json', 'format' = 'json', 'json.timestamp-format.standard' = 'ISO-8601');
SELECT phase, window_start, window_end, COUNT(kwh) AS n, AVG(kwh) AS e FROM TABLE(CUMULATE(TABLE meters, DESCRIPTOR(ts), INTERVAL '1' MINUTE, INTERVAL '2' MINUTE)) GROUP BY phase, window_start, window_end;
