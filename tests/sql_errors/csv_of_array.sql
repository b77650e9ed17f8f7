CREATE TABLE t (a ARRAY<INT>) WITH ('connector' = 'filesystem', 'path' = 't.csv', 'format' = 'csv');
SELECT a FROM t;
