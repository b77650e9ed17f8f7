-- The first of a join.
CREATE TABLE samples (id INT, device STRING, ts TIMESTAMP(3), temp DOUBLE, WATERMARK FOR ts AS ts - INTERVAL '5' SECOND) WITH ('connector' = 'filesystem', 'path' = 'data/samples.csv', 'format' = 'csv', 'csv.null-literal' = '');
CREATE TABLE machines (device STRING, hall STRING, owner STRING, max_temp DOUBLE) WITH ('connector' = 'filesystem', 'path' = 'data/machines.csv', 'format' = 'csv', 'csv.null-literal' = '');
SELECT id, device FROM (SELECT s.id, s.device, ROW_NUMBER() OVER (PARTITION BY s.device ORDER BY s.ts) AS rn FROM samples AS s JOIN machines AS m ON s.device = m.device) WHERE rn = 1;
