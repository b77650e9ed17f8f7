-- Late rows count without a window.
CREATE TABLE late (device STRING, n INT, ts TIMESTAMP(3), WATERMARK FOR ts AS ts - INTERVAL '2' SECOND) WITH ('connector' = 'filesystem', 'path' = 'data/late.csv', 'format' = 'csv', 'csv.null-literal' = '');
SELECT device, COUNT(*) AS n, SUM(n) AS s FROM late GROUP BY device;
