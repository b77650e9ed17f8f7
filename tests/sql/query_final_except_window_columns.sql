-- EXCEPT where only one side has the window.
CREATE TABLE samples (id INT, device STRING, ts TIMESTAMP(3), temp DOUBLE, WATERMARK FOR ts AS ts - INTERVAL '5' SECOND) WITH ('connector' = 'filesystem', 'path' = 'data/samples.csv', 'format' = 'csv', 'csv.null-literal' = '');
SELECT device, id FROM (SELECT device, id, window_start FROM TABLE(TUMBLE(TABLE samples, DESCRIPTOR(ts), INTERVAL '1' MINUTE))) EXCEPT SELECT device, id FROM samples WHERE temp > 65;
