CREATE TABLE t (device STRING, ts TIMESTAMP(3), temp DOUBLE) WITH ('connector' = 'filesystem', 'path' = 't.csv', 'format' = 'csv');
CREATE VIEW v (a, b) AS SELECT device FROM t;
SELECT a FROM v;
