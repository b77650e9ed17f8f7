CREATE TABLE t (device STRING, ts TIMESTAMP(3), temp DOUBLE) WITH ('connector' = 'filesystem', 'path' = 't.csv', 'format' = 'csv');
INSERT INTO t SELECT * FROM t;
