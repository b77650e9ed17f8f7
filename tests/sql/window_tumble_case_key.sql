-- A key made by CASE over a number.
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
SELECT CASE WHEN amp >= 20 THEN 'high' WHEN amp IS NULL THEN 'none' ELSE 'low' END AS level, window_start, COUNT(*) AS n, SUM(rpm) AS r
FROM TABLE(TUMBLE(TABLE motors, DESCRIPTOR(ts), INTERVAL '3' MINUTE))
GROUP BY CASE WHEN amp >= 20 THEN 'high' WHEN amp IS NULL THEN 'none' ELSE 'low' END, window_start, window_end;
