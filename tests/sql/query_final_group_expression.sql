-- A key that is an expression, WHERE below.
CREATE TABLE motors (id INT, device STRING, line STRING, ts TIMESTAMP(3), amp DOUBLE, rpm INT, cost DECIMAL(10, 3), cnt BIGINT, flag BOOLEAN, tiny TINYINT, small SMALLINT, fl FLOAT, WATERMARK FOR ts AS ts - INTERVAL '4' SECOND) WITH ('connector' = 'filesystem', 'path' = 'data/motors.csv', 'format' = 'csv', 'csv.null-literal' = '');
SELECT UPPER(line) AS l, rpm / 100 AS r, COUNT(DISTINCT device) AS d FROM motors WHERE amp IS NOT NULL GROUP BY UPPER(line), rpm / 100;
