-- A view of groups, read twice.
CREATE TABLE motors (id INT, device STRING, line STRING, ts TIMESTAMP(3), amp DOUBLE, rpm INT, cost DECIMAL(10, 3), cnt BIGINT, flag BOOLEAN, tiny TINYINT, small SMALLINT, fl FLOAT, WATERMARK FOR ts AS ts - INTERVAL '4' SECOND) WITH ('connector' = 'filesystem', 'path' = 'data/motors.csv', 'format' = 'csv', 'csv.null-literal' = '');
CREATE VIEW of_device AS SELECT device, COUNT(*) AS n FROM motors GROUP BY device;
SELECT a.device, a.n, b.device AS less FROM of_device AS a JOIN of_device AS b ON a.n > b.n;
