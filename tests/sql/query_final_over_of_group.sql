-- OVER above a group.
CREATE TABLE samples (id INT, device STRING, ts TIMESTAMP(3), temp DOUBLE, WATERMARK FOR ts AS ts - INTERVAL '5' SECOND) WITH ('connector' = 'filesystem', 'path' = 'data/samples.csv', 'format' = 'csv', 'csv.null-literal' = '');
SELECT device, COUNT(*) OVER (ORDER BY n) AS c FROM (SELECT device, COUNT(*) AS n FROM samples GROUP BY device);
