-- The newest value.
CREATE TABLE samples (id INT, device STRING, ts TIMESTAMP(3), temp DOUBLE, WATERMARK FOR ts AS ts - INTERVAL '5' SECOND) WITH ('connector' = 'filesystem', 'path' = 'data/samples.csv', 'format' = 'csv', 'csv.null-literal' = '');
SELECT id, (SELECT temp FROM samples WHERE temp IS NOT NULL ORDER BY id DESC LIMIT 1) AS last_temp FROM samples;
