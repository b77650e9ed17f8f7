CREATE TABLE t (a INT, b AS SUM(a)) WITH ('connector' = 'filesystem', 'path' = 't.csv', 'format' = 'csv');
SELECT b FROM t;
