-- A subquery in FROM with its own WITH.
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
SELECT x.device, x.m FROM (WITH z AS (SELECT device, window_start, window_end, amp FROM TABLE(TUMBLE(TABLE motors, DESCRIPTOR(ts), INTERVAL '2' MINUTE))) SELECT device, window_start, MAX(amp) AS m FROM z GROUP BY device, window_start, window_end) AS x WHERE x.m > 30;
