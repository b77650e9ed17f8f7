-- The same, ranked.
CREATE TABLE machines (device STRING, hall STRING, owner STRING, max_temp DOUBLE) WITH ('connector' = 'filesystem', 'path' = 'data/machines.csv', 'format' = 'csv', 'csv.null-literal' = '');
SELECT device, rn FROM (SELECT *, ROW_NUMBER() OVER (PARTITION BY hall ORDER BY max_temp DESC, device) AS rn FROM machines) WHERE rn <= 1;
