CREATE TABLE a (device STRING, temp DOUBLE) WITH ('connector' = 'filesystem', 'path' = 'a.csv', 'format' = 'csv');
CREATE TABLE b (device STRING, high DOUBLE) WITH ('connector' = 'filesystem', 'path' = 'b.csv', 'format' = 'csv');
SELECT device FROM a WHERE temp > (SELECT device, high FROM b);
