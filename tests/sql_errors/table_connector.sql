CREATE TABLE t (device STRING, ts TIMESTAMP(3), temp DOUBLE) WITH ('connector' = 'kafka', 'path' = 't.csv', 'format' = 'avro');
SELECT device FROM t;
