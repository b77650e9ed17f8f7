CREATE TABLE t (r ROW<low DOUBLE, high DOUBLE>) WITH ('connector' = 'filesystem', 'path' = 't.json', 'format' = 'json');
SELECT r.hihg FROM t;
