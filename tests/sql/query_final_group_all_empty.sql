-- No row at all, without GROUP BY.
CREATE TABLE nothing (id INT, device STRING, ts TIMESTAMP(3), temp DOUBLE, WATERMARK FOR ts AS ts) WITH ('connector' = 'filesystem', 'path' = 'data/empty.csv', 'format' = 'csv', 'csv.null-literal' = '');
SELECT COUNT(*) AS n, SUM(temp) AS s FROM nothing;
