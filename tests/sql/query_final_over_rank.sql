-- RANK in order of a value, not limited.
CREATE TABLE samples (id INT, device STRING, ts TIMESTAMP(3), temp DOUBLE, WATERMARK FOR ts AS ts - INTERVAL '5' SECOND) WITH ('connector' = 'filesystem', 'path' = 'data/samples.csv', 'format' = 'csv', 'csv.null-literal' = '');
SELECT id, RANK() OVER (ORDER BY device) AS rn, DENSE_RANK() OVER (ORDER BY device) AS dn FROM samples;
