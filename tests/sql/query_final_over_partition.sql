-- By hall, in order of a value.
CREATE TABLE machines (device STRING, hall STRING, owner STRING, max_temp DOUBLE) WITH ('connector' = 'filesystem', 'path' = 'data/machines.csv', 'format' = 'csv', 'csv.null-literal' = '');
SELECT device, hall, SUM(max_temp) OVER (PARTITION BY hall ORDER BY max_temp) AS s, COUNT(*) OVER (PARTITION BY hall ORDER BY max_temp) AS n FROM machines;
