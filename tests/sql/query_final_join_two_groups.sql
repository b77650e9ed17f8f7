-- Two groups, joined.
CREATE TABLE samples (id INT, device STRING, ts TIMESTAMP(3), temp DOUBLE, WATERMARK FOR ts AS ts - INTERVAL '5' SECOND) WITH ('connector' = 'filesystem', 'path' = 'data/samples.csv', 'format' = 'csv', 'csv.null-literal' = '');
CREATE TABLE motors (id INT, device STRING, line STRING, ts TIMESTAMP(3), amp DOUBLE, rpm INT, cost DECIMAL(10, 3), cnt BIGINT, flag BOOLEAN, tiny TINYINT, small SMALLINT, fl FLOAT, WATERMARK FOR ts AS ts - INTERVAL '4' SECOND) WITH ('connector' = 'filesystem', 'path' = 'data/motors.csv', 'format' = 'csv', 'csv.null-literal' = '');
SELECT a.k, a.n, b.n AS m FROM (SELECT id AS k, COUNT(*) AS n FROM motors GROUP BY id) AS a JOIN (SELECT id AS k, COUNT(*) AS n FROM samples GROUP BY id) AS b ON a.k = b.k;
