-- What is known when the input has ended.
CREATE TABLE telemetry (device STRING, ts TIMESTAMP(3), temp DOUBLE, WATERMARK FOR ts AS ts - INTERVAL '5' SECOND)
WITH ('connector' = 'filesystem', 'path' = 'telemetry.csv', 'format' = 'csv');
CREATE TABLE machines (device STRING, hall STRING, max_temp DOUBLE)
WITH ('connector' = 'filesystem', 'path' = 'machines.csv', 'format' = 'csv');
CREATE TABLE halls (hall STRING, devices BIGINT, place BIGINT, hot BOOLEAN)
WITH ('connector' = 'filesystem', 'path' = 'halls.csv', 'format' = 'csv');

INSERT INTO halls
SELECT hall, n, ROW_NUMBER() OVER (ORDER BY n), n > (SELECT AVG(max_temp) FROM machines)
FROM (SELECT m.hall, COUNT(t.device) AS n FROM machines AS m LEFT JOIN telemetry AS t ON m.device = t.device GROUP BY m.hall);

SELECT device, ts, temp FROM telemetry AS t
WHERE device NOT IN (SELECT device FROM machines) OR temp > ANY (SELECT max_temp FROM machines AS m WHERE m.device = t.device)
ORDER BY temp DESC LIMIT 3;
