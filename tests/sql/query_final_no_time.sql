-- A table without event time.
CREATE TABLE machines (device STRING, hall STRING, owner STRING, max_temp DOUBLE) WITH ('connector' = 'filesystem', 'path' = 'data/machines.csv', 'format' = 'csv', 'csv.null-literal' = '');
SELECT hall, COUNT(*) AS n, AVG(max_temp) AS a FROM machines GROUP BY hall;
