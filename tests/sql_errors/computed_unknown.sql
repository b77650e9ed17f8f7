CREATE TABLE t (a INT, b AS c + 1) WITH ('connector' = 'filesystem', 'path' = 't.csv', 'format' = 'csv');
SELECT b FROM t;
