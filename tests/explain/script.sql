CREATE TABLE readings (
  device STRING,
  epoch_ms BIGINT,
  temp DOUBLE,
  ts AS TO_TIMESTAMP_LTZ(epoch_ms, 3),
  WATERMARK FOR ts AS ts - INTERVAL '5' SECOND
) WITH ('connector' = 'filesystem', 'path' = 'readings.json', 'format' = 'json');

CREATE TABLE limits (
  device STRING,
  since TIMESTAMP_LTZ(3),
  high DECIMAL(5, 1),
  WATERMARK FOR since AS since,
  PRIMARY KEY (device) NOT ENFORCED
) WITH ('connector' = 'filesystem', 'path' = 'limits.csv', 'format' = 'csv');

CREATE TABLE sessions (device STRING, hall STRING, n BIGINT, names STRING)
WITH ('connector' = 'filesystem', 'path' = 'out/sessions.csv', 'format' = 'csv');

EXECUTE STATEMENT SET BEGIN
INSERT INTO sessions (device, n, names)
SELECT device, COUNT(*), LISTAGG(CAST(temp AS STRING), ';')
FROM TABLE(SESSION(TABLE readings PARTITION BY device, DESCRIPTOR(ts), INTERVAL '90' SECOND))
GROUP BY device, window_start, window_end;
END;

SELECT r.device, r.temp - l.high AS above, CASE WHEN r.temp > 90 THEN UPPER(r.device) END AS name
FROM readings AS r JOIN limits FOR SYSTEM_TIME AS OF r.ts AS l ON r.device = l.device
WHERE r.temp > l.high OR NOT (r.device LIKE 'test%' ESCAPE '!') AND EXTRACT(HOUR FROM r.ts) IN (8, 9);
