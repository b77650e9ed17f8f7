-- ANY and ALL of nothing.
CREATE TABLE samples (id INT, device STRING, ts TIMESTAMP(3), temp DOUBLE, WATERMARK FOR ts AS ts - INTERVAL '5' SECOND) WITH ('connector' = 'filesystem', 'path' = 'data/samples.csv', 'format' = 'csv', 'csv.null-literal' = '');
CREATE TABLE nothing (id INT, device STRING, ts TIMESTAMP(3), temp DOUBLE, WATERMARK FOR ts AS ts) WITH ('connector' = 'filesystem', 'path' = 'data/empty.csv', 'format' = 'csv', 'csv.null-literal' = '');
SELECT id, temp < ANY (SELECT temp FROM nothing) AS a, temp < ALL (SELECT temp FROM nothing) AS b FROM samples;
