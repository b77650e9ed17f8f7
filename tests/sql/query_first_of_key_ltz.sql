-- First row of a key over TIMESTAMP_LTZ; NULL is a key.
CREATE TABLE meters (
  meter STRING,
  ts TIMESTAMP_LTZ(3),
  kwh DOUBLE,
  phase INT,
  note STRING,
  site STRING,
  WATERMARK FOR ts AS ts - INTERVAL '3' SECOND
) WITH ('connector' = 'filesystem', 'path' = 'data/meters.json', 'format' = 'json', 'json.timestamp-format.standard' = 'ISO-8601');
SELECT meter, ts, kwh FROM (SELECT *, ROW_NUMBER() OVER (PARTITION BY meter ORDER BY ts) AS rn FROM meters) WHERE rn = 1;
