-- Groups of JSON values.
CREATE TABLE meters (meter STRING, ts TIMESTAMP_LTZ(3), kwh DOUBLE, phase INT, note STRING, site STRING, WATERMARK FOR ts AS ts - INTERVAL '10' SECOND) WITH ('connector' = 'filesystem', 'path' = 'data/meters.json', 'format' = 'json', 'json.timestamp-format.standard' = 'ISO-8601');
SELECT note, MAX(kwh) AS k, COUNT(DISTINCT phase) AS p FROM meters GROUP BY note HAVING MAX(kwh) > 1;
