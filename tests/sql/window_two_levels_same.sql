-- A second aggregate by the same window of a subquery, no new window function.
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
SELECT window_start, window_end, COUNT(*) AS devices, SUM(n) AS total, MAX(top) AS best FROM (
  SELECT device, window_start, window_end, COUNT(*) AS n, MAX(amp) AS top FROM TABLE(TUMBLE(TABLE motors, DESCRIPTOR(ts), INTERVAL '1' MINUTE)) GROUP BY device, window_start, window_end)
GROUP BY window_start, window_end;
