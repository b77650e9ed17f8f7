-- FULL JOIN with no row on one side.
CREATE TABLE machines (device STRING, hall STRING, owner STRING, max_temp DOUBLE) WITH ('connector' = 'filesystem', 'path' = 'data/machines.csv', 'format' = 'csv', 'csv.null-literal' = '');
CREATE TABLE nothing (id INT, device STRING, ts TIMESTAMP(3), temp DOUBLE, WATERMARK FOR ts AS ts) WITH ('connector' = 'filesystem', 'path' = 'data/empty.csv', 'format' = 'csv', 'csv.null-literal' = '');
SELECT m.device, n.id FROM machines AS m FULL JOIN nothing AS n ON m.max_temp > n.temp;
