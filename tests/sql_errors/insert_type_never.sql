CREATE TABLE t (device STRING, ts TIMESTAMP(3), temp DOUBLE) WITH ('connector' = 'filesystem', 'path' = 't.csv', 'format' = 'csv');
CREATE TABLE o (device STRING, n BIGINT, hot AS n > 80) WITH ('connector' = 'filesystem', 'path' = 'o.csv', 'format' = 'csv');
INSERT INTO o (n) SELECT ts FROM t;
