CREATE TABLE t (a INT, a DOUBLE) WITH ('connector' = 'filesystem', 'path' = 't.csv', 'format' = 'csv');
SELECT a FROM t;
