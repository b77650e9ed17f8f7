-- ROW_NUMBER in order of a value, not limited.
CREATE TABLE machines (device STRING, hall STRING, owner STRING, max_temp DOUBLE) WITH ('connector' = 'filesystem', 'path' = 'data/machines.csv', 'format' = 'csv', 'csv.null-literal' = '');
SELECT device, ROW_NUMBER() OVER (ORDER BY max_temp) AS rn FROM machines;
