-- Groups of sessions by device.
CREATE TABLE samples (id INT, device STRING, ts TIMESTAMP(3), temp DOUBLE, WATERMARK FOR ts AS ts - INTERVAL '5' SECOND) WITH ('connector' = 'filesystem', 'path' = 'data/samples.csv', 'format' = 'csv', 'csv.null-literal' = '');
SELECT device, COUNT(*) AS sessions FROM (SELECT device, window_start, window_end FROM TABLE(SESSION(TABLE samples PARTITION BY device, DESCRIPTOR(ts), INTERVAL '30' SECOND)) GROUP BY device, window_start, window_end) GROUP BY device;
