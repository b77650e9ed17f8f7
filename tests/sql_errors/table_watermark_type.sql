CREATE TABLE t (device STRING, ts TIMESTAMP(3), temp DOUBLE, WATERMARK FOR temp AS temp) WITH ('connector' = 'filesystem', 'path' = 't.csv', 'format' = 'csv');
SELECT device FROM t;
