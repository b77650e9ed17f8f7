-- Two keys, an expression over aggregates.
CREATE TABLE motors (id INT, device STRING, line STRING, ts TIMESTAMP(3), amp DOUBLE, rpm INT, cost DECIMAL(10, 3), cnt BIGINT, flag BOOLEAN, tiny TINYINT, small SMALLINT, fl FLOAT, WATERMARK FOR ts AS ts - INTERVAL '4' SECOND) WITH ('connector' = 'filesystem', 'path' = 'data/motors.csv', 'format' = 'csv', 'csv.null-literal' = '');
SELECT a.id, (SELECT SUM(b.rpm) + COUNT(*) FROM motors AS b WHERE b.device = a.device AND b.line = a.line AND b.rpm < 5000) AS s FROM motors AS a WHERE a.id < 20;
