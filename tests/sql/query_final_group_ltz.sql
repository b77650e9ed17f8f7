-- A time with a zone, JSON.
CREATE TABLE meters (meter STRING, ts TIMESTAMP_LTZ(3), kwh DOUBLE, phase INT, note STRING, site STRING, WATERMARK FOR ts AS ts - INTERVAL '10' SECOND) WITH ('connector' = 'filesystem', 'path' = 'data/meters.json', 'format' = 'json', 'json.timestamp-format.standard' = 'ISO-8601');
SELECT site, phase, COUNT(*) AS n, MIN(ts) AS f, SUM(kwh) AS k FROM meters GROUP BY site, phase;
