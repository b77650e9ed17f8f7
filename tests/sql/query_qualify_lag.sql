-- QUALIFY by LAG: where the value changed.
CREATE TABLE samples (id INT, device STRING, ts TIMESTAMP(3), temp DOUBLE, WATERMARK FOR ts AS ts - INTERVAL '5' SECOND) WITH ('connector' = 'filesystem', 'path' = 'data/samples.csv', 'format' = 'csv', 'csv.null-literal' = '');
SELECT id, device, temp FROM samples QUALIFY LAG(temp) OVER (PARTITION BY device ORDER BY ts) < temp;
