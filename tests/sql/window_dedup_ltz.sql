-- Deduplication of LTZ rows from JSON, NULL key.
CREATE TABLE meters (
  meter STRING,
  ts TIMESTAMP_LTZ(3),
  kwh DOUBLE,
  phase INT,
  note STRING,
  site STRING,
  WATERMARK FOR ts AS ts - INTERVAL '3' SECOND
) WITH ('connector' = 'filesystem', 'path' = 'data/meters.json', 'format' = 'json', 'json.timestamp-format.standard' = 'ISO-8601');
SELECT meter, ts, kwh FROM (
  SELECT *, ROW_NUMBER() OVER (PARTITION BY window_start, window_end, meter ORDER BY ts DESC) AS rn FROM TABLE(TUMBLE(TABLE meters, DESCRIPTOR(ts), INTERVAL '30' SECOND)))
WHERE rn = 1;
