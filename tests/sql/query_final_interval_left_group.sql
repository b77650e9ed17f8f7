-- Groups of an outer interval join.
CREATE TABLE samples (id INT, device STRING, ts TIMESTAMP(3), temp DOUBLE, WATERMARK FOR ts AS ts - INTERVAL '5' SECOND) WITH ('connector' = 'filesystem', 'path' = 'data/samples.csv', 'format' = 'csv', 'csv.null-literal' = '');
CREATE TABLE setpoints (device STRING, ts TIMESTAMP(3), sp DOUBLE, WATERMARK FOR ts AS ts) WITH ('connector' = 'filesystem', 'path' = 'data/setpoints.csv', 'format' = 'csv', 'csv.null-literal' = '');
SELECT s.device, COUNT(p.sp) AS n FROM samples AS s LEFT JOIN setpoints AS p ON s.device = p.device AND p.ts BETWEEN s.ts - INTERVAL '30' SECOND AND s.ts GROUP BY s.device;
