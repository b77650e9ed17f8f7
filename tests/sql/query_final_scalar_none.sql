-- Of nothing.
CREATE TABLE samples (id INT, device STRING, ts TIMESTAMP(3), temp DOUBLE, WATERMARK FOR ts AS ts - INTERVAL '5' SECOND) WITH ('connector' = 'filesystem', 'path' = 'data/samples.csv', 'format' = 'csv', 'csv.null-literal' = '');
CREATE TABLE nothing (id INT, device STRING, ts TIMESTAMP(3), temp DOUBLE, WATERMARK FOR ts AS ts) WITH ('connector' = 'filesystem', 'path' = 'data/empty.csv', 'format' = 'csv', 'csv.null-literal' = '');
SELECT id, (SELECT temp FROM nothing) AS t, (SELECT COUNT(*) FROM nothing) AS n, (SELECT MAX(temp) FROM nothing) AS m FROM samples;
