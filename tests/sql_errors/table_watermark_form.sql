CREATE TABLE t (device STRING, ts TIMESTAMP(3), temp DOUBLE, WATERMARK FOR ts AS ts + INTERVAL '5' SECOND) WITH ('connector' = 'filesystem', 'path' = 't.csv', 'format' = 'csv');
SELECT device FROM t;
