-- Rows with too many fields.
CREATE TABLE two (a STRING, b STRING) WITH ('connector' = 'filesystem', 'path' = 'data/machines.csv', 'format' = 'csv');
SELECT * FROM two;
