-- Aggregates without a window: what is left at the end.
CREATE TABLE motors (id INT, device STRING, line STRING, ts TIMESTAMP(3), amp DOUBLE, rpm INT, cost DECIMAL(10, 3), cnt BIGINT, flag BOOLEAN, tiny TINYINT, small SMALLINT, fl FLOAT, WATERMARK FOR ts AS ts - INTERVAL '4' SECOND) WITH ('connector' = 'filesystem', 'path' = 'data/motors.csv', 'format' = 'csv', 'csv.null-literal' = '');
SELECT device, COUNT(*) AS n, COUNT(line) AS with_line, SUM(rpm) AS s, AVG(amp) AS a, MIN(ts) AS first_ts, MAX(cost) AS top FROM motors GROUP BY device;
