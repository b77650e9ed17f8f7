CREATE TABLE a (device STRING, temp DOUBLE) WITH ('connector' = 'filesystem', 'path' = 'a.csv', 'format' = 'csv');
CREATE TABLE b (device STRING, high DOUBLE) WITH ('connector' = 'filesystem', 'path' = 'b.csv', 'format' = 'csv');
SELECT device, (SELECT MAX(b.high - a.temp) FROM b WHERE b.device = a.device) AS n FROM a;
