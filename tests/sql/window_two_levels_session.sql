-- Sessions over tumbling windows.
CREATE TABLE motors (
  id INT,
  device STRING,
  line STRING,
  ts TIMESTAMP(3),
  amp DOUBLE,
  rpm INT,
  cost DECIMAL(10, 3),
  cnt BIGINT,
  flag BOOLEAN,
  tiny TINYINT,
  small SMALLINT,
  fl FLOAT,
  WATERMARK FOR ts AS ts - INTERVAL '4' SECOND
) WITH ('connector' = 'filesystem', 'path' = 'data/motors.csv', 'format' = 'csv', 'csv.null-literal' = '');
WITH busy AS (SELECT device, window_time AS wt, COUNT(*) AS n FROM TABLE(TUMBLE(TABLE motors, DESCRIPTOR(ts), INTERVAL '10' SECOND)) GROUP BY device, window_start, window_end, window_time HAVING COUNT(*) >= 1)
SELECT device, window_start, window_end, COUNT(*) AS pieces, SUM(n) AS n FROM TABLE(SESSION(TABLE busy PARTITION BY device, DESCRIPTOR(wt), INTERVAL '20' SECOND)) GROUP BY device, window_start, window_end;
