-- CUBE over nothing.
CREATE TABLE nothing (id INT, device STRING, ts TIMESTAMP(3), temp DOUBLE, WATERMARK FOR ts AS ts) WITH ('connector' = 'filesystem', 'path' = 'data/empty.csv', 'format' = 'csv', 'csv.null-literal' = '');
SELECT device, id, COUNT(*) AS n FROM nothing GROUP BY CUBE (device, id);
