-- RANGE of numbers.
CREATE TABLE machines (device STRING, hall STRING, owner STRING, max_temp DOUBLE) WITH ('connector' = 'filesystem', 'path' = 'data/machines.csv', 'format' = 'csv', 'csv.null-literal' = '');
SELECT device, COUNT(*) OVER (ORDER BY max_temp RANGE BETWEEN 20 PRECEDING AND CURRENT ROW) AS n FROM machines;
