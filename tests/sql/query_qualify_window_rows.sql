-- QUALIFY over the rows of windows.
CREATE TABLE motors (id INT, device STRING, line STRING, ts TIMESTAMP(3), amp DOUBLE, rpm INT, cost DECIMAL(10, 3), cnt BIGINT, flag BOOLEAN, tiny TINYINT, small SMALLINT, fl FLOAT, WATERMARK FOR ts AS ts - INTERVAL '4' SECOND) WITH ('connector' = 'filesystem', 'path' = 'data/motors.csv', 'format' = 'csv', 'csv.null-literal' = '');
SELECT window_start, id, amp FROM TABLE(TUMBLE(TABLE motors, DESCRIPTOR(ts), INTERVAL '1' MINUTE)) QUALIFY ROW_NUMBER() OVER (PARTITION BY window_start, window_end ORDER BY amp DESC, id) = 1;
