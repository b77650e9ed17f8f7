-- Each row with the next higher ones.
CREATE TABLE samples (id INT, device STRING, ts TIMESTAMP(3), temp DOUBLE, WATERMARK FOR ts AS ts - INTERVAL '5' SECOND) WITH ('connector' = 'filesystem', 'path' = 'data/samples.csv', 'format' = 'csv', 'csv.null-literal' = '');
SELECT a.id, COUNT(b.id) AS higher FROM samples AS a LEFT JOIN samples AS b ON a.device = b.device AND b.temp > a.temp GROUP BY a.id;
