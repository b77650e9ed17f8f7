-- CUMULATE over tumbling windows of LTZ.
CREATE TABLE meters (
  meter STRING,
  ts TIMESTAMP_LTZ(3),
  kwh DOUBLE,
  phase INT,
  note STRING,
  site STRING,
  WATERMARK FOR ts AS ts - INTERVAL '3' SECOND
) WITH ('connector' = 'filesystem', 'path' = 'data/meters.json', 'format' = 'json', 'json.timestamp-format.standard' = 'ISO-8601');
WITH fine AS (SELECT window_time AS wt, site, SUM(kwh) AS e FROM TABLE(TUMBLE(TABLE meters, DESCRIPTOR(ts), INTERVAL '10' SECOND)) GROUP BY window_start, window_end, window_time, site)
SELECT site, window_start, window_end, SUM(e) AS e, COUNT(*) AS n FROM TABLE(CUMULATE(TABLE fine, DESCRIPTOR(wt), INTERVAL '30' SECOND, INTERVAL '1' MINUTE)) GROUP BY site, window_start, window_end;
