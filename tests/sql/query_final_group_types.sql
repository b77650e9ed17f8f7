-- All types of numbers.
CREATE TABLE motors (id INT, device STRING, line STRING, ts TIMESTAMP(3), amp DOUBLE, rpm INT, cost DECIMAL(10, 3), cnt BIGINT, flag BOOLEAN, tiny TINYINT, small SMALLINT, fl FLOAT, WATERMARK FOR ts AS ts - INTERVAL '4' SECOND) WITH ('connector' = 'filesystem', 'path' = 'data/motors.csv', 'format' = 'csv', 'csv.null-literal' = '');
SELECT SUM(tiny) AS t, SUM(small) AS sm, SUM(rpm) AS r, SUM(cost) AS co, AVG(tiny) AS tt, AVG(cost) AS ac, MIN(flag) AS mf, MAX(line) AS ml FROM motors;
