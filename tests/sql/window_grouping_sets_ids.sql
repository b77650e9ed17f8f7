-- GROUPING SETS with an expression's alias column and a condition on GROUPING in HAVING.
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

SELECT window_end, device, flag, GROUPING(device) AS no_device, COUNT(*) AS n, SUM(cnt) AS cnt
FROM TABLE(TUMBLE(TABLE motors, DESCRIPTOR(ts), INTERVAL '2' MINUTE))
GROUP BY GROUPING SETS ((window_start, window_end, device), (window_start, window_end, flag), (window_start, window_end))
HAVING COUNT(*) > 2;
