CREATE TABLE t (device STRING, ts TIMESTAMP(3), temp DOUBLE, WATERMARK FOR tz AS tz - INTERVAL '5' SECOND) WITH ('connector' = 'filesystem', 'path' = 't.csv', 'format' = 'csv');
SELECT device FROM t;
