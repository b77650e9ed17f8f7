-- Each row beside the one group.
CREATE TABLE samples (id INT, device STRING, ts TIMESTAMP(3), temp DOUBLE, WATERMARK FOR ts AS ts - INTERVAL '5' SECOND) WITH ('connector' = 'filesystem', 'path' = 'data/samples.csv', 'format' = 'csv', 'csv.null-literal' = '');
SELECT s.id, s.temp - g.m AS off FROM samples AS s CROSS JOIN (SELECT MAX(temp) AS m FROM samples) AS g;
