CREATE TABLE t (device STRING, ts TIMESTAMP(3), temp DOUBLE, PRIMARY KEY (device)) WITH ('connector' = 'filesystem', 'path' = 't.csv', 'format' = 'csv');
SELECT device FROM t;
