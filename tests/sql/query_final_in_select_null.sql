-- IN in SELECT with NULLs.
CREATE TABLE motors (id INT, device STRING, line STRING, ts TIMESTAMP(3), amp DOUBLE, rpm INT, cost DECIMAL(10, 3), cnt BIGINT, flag BOOLEAN, tiny TINYINT, small SMALLINT, fl FLOAT, WATERMARK FOR ts AS ts - INTERVAL '4' SECOND) WITH ('connector' = 'filesystem', 'path' = 'data/motors.csv', 'format' = 'csv', 'csv.null-literal' = '');
CREATE TABLE machines (device STRING, hall STRING, owner STRING, max_temp DOUBLE) WITH ('connector' = 'filesystem', 'path' = 'data/machines.csv', 'format' = 'csv', 'csv.null-literal' = '');
SELECT id, line, line IN (SELECT hall FROM machines) AS a, line IN (SELECT line FROM motors WHERE id < 30) AS b, line NOT IN (SELECT line FROM motors WHERE id < 30) AS c, id IN (SELECT id FROM motors WHERE id < 3) AS d FROM motors WHERE id < 25;
