-- OVER without ORDER BY.
CREATE TABLE samples (id INT, device STRING, ts TIMESTAMP(3), temp DOUBLE, WATERMARK FOR ts AS ts - INTERVAL '5' SECOND) WITH ('connector' = 'filesystem', 'path' = 'data/samples.csv', 'format' = 'csv', 'csv.null-literal' = '');
SELECT id, COUNT(*) OVER (PARTITION BY device) AS n FROM samples;
