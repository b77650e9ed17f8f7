-- GROUP BY over a subquery that has the window function and a filter.
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
SELECT dev, window_start, COUNT(*) AS n, SUM(twice) AS s FROM (
  SELECT device AS dev, amp * 2 AS twice, window_start, window_end FROM TABLE(TUMBLE(TABLE motors, DESCRIPTOR(ts), INTERVAL '1' MINUTE)) WHERE amp IS NOT NULL)
GROUP BY dev, window_start, window_end;
