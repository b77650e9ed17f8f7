-- GROUP BY HOP(…) over TIMESTAMP_LTZ.
CREATE TABLE meters (
  meter STRING,
  ts TIMESTAMP_LTZ(3),
  kwh DOUBLE,
  phase INT,
  note STRING,
  site STRING,
  WATERMARK FOR ts AS ts - INTERVAL '3' SECOND
) WITH ('connector' = 'filesystem', 'path' = 'data/meters.json', 'format' = 'json', 'json.timestamp-format.standard' = 'ISO-8601');
SELECT meter, HOP_END(ts, INTERVAL '5' SECOND, INTERVAL '10' SECOND) AS e, HOP_ROWTIME(ts, INTERVAL '5' SECOND, INTERVAL '10' SECOND) AS r, SUM(kwh) AS k FROM meters WHERE meter IS NOT NULL GROUP BY HOP(ts, INTERVAL '5' SECOND, INTERVAL '10' SECOND), meter;
