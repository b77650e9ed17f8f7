-- OVER in order of a value.
CREATE TABLE samples (id INT, device STRING, ts TIMESTAMP(3), temp DOUBLE, WATERMARK FOR ts AS ts - INTERVAL '5' SECOND) WITH ('connector' = 'filesystem', 'path' = 'data/samples.csv', 'format' = 'csv', 'csv.null-literal' = '');
SELECT id, COUNT(*) OVER (ORDER BY temp) AS c FROM samples;
