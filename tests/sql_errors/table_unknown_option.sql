CREATE TABLE t (device STRING, ts TIMESTAMP(3), temp DOUBLE) WITH ('connector' = 'filesystem', 'path' = 't.csv', 'fromat' = 'csv');
SELECT device FROM t;
