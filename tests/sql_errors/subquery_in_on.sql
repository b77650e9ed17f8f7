CREATE TABLE a (device STRING, temp DOUBLE) WITH ('connector' = 'filesystem', 'path' = 'a.csv', 'format' = 'csv');
CREATE TABLE b (device STRING, high DOUBLE) WITH ('connector' = 'filesystem', 'path' = 'b.csv', 'format' = 'csv');
SELECT a.device FROM a JOIN b ON a.device = b.device AND b.high > (SELECT AVG(temp) FROM a);
