-- WITH.
CREATE TABLE motors (id INT, device STRING, line STRING, ts TIMESTAMP(3), amp DOUBLE, rpm INT, cost DECIMAL(10, 3), cnt BIGINT, flag BOOLEAN, tiny TINYINT, small SMALLINT, fl FLOAT, WATERMARK FOR ts AS ts - INTERVAL '4' SECOND) WITH ('connector' = 'filesystem', 'path' = 'data/motors.csv', 'format' = 'csv', 'csv.null-literal' = '');
WITH of_device AS (SELECT device, MAX(amp) AS m FROM motors GROUP BY device) SELECT m.id, m.device, m.amp FROM motors AS m JOIN of_device AS p ON m.device = p.device AND m.amp = p.m;
