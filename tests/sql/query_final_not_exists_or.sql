-- NOT EXISTS beside OR.
CREATE TABLE samples (id INT, device STRING, ts TIMESTAMP(3), temp DOUBLE, WATERMARK FOR ts AS ts - INTERVAL '5' SECOND) WITH ('connector' = 'filesystem', 'path' = 'data/samples.csv', 'format' = 'csv', 'csv.null-literal' = '');
CREATE TABLE machines (device STRING, hall STRING, owner STRING, max_temp DOUBLE) WITH ('connector' = 'filesystem', 'path' = 'data/machines.csv', 'format' = 'csv', 'csv.null-literal' = '');
SELECT id FROM samples AS s WHERE s.temp > 76 OR NOT EXISTS (SELECT 1 FROM machines AS m WHERE m.device = s.device);
