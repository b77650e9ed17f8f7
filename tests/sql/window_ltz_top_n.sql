-- Window Top-N over TIMESTAMP_LTZ with several orders, NULLs first.
CREATE TABLE meters (
  meter STRING,
  ts TIMESTAMP_LTZ(3),
  kwh DOUBLE,
  phase INT,
  note STRING,
  site STRING,
  WATERMARK FOR ts AS ts - INTERVAL '3' SECOND
) WITH ('connector' = 'filesystem', 'path' = 'data/meters.json', 'format' = 'json', 'json.timestamp-format.standard' = 'ISO-8601');

SELECT meter, ts, kwh, rn FROM (SELECT *, ROW_NUMBER() OVER (PARTITION BY window_start, window_end, phase ORDER BY kwh DESC NULLS LAST, ts DESC) AS rn FROM TABLE(CUMULATE(TABLE meters, DESCRIPTOR(ts), INTERVAL '30' SECOND, INTERVAL '1' MINUTE))) WHERE rn <= 2;
