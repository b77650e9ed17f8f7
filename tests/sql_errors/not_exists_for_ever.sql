-- It would have to take rows back.
CREATE TABLE a (device STRING) WITH ('connector' = 'filesystem', 'path' = 'a.csv', 'format' = 'csv');
CREATE TABLE b (device STRING) WITH ('connector' = 'filesystem', 'path' = 'b.csv', 'format' = 'csv');
SELECT device FROM a WHERE NOT EXISTS (SELECT * FROM b WHERE b.device = a.device);
