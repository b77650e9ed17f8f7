CREATE TABLE t (a INT, b AS a + 1, c AS b + 1) WITH ('connector' = 'filesystem', 'path' = 't.csv', 'format' = 'csv');
SELECT c FROM t;
