-- QUALIFY with a star.
CREATE TABLE samples (id INT, device STRING, ts TIMESTAMP(3), temp DOUBLE, WATERMARK FOR ts AS ts - INTERVAL '5' SECOND) WITH ('connector' = 'filesystem', 'path' = 'data/samples.csv', 'format' = 'csv', 'csv.null-literal' = '');
SELECT * FROM samples QUALIFY COUNT(*) OVER (PARTITION BY device ORDER BY ts) > 2;
