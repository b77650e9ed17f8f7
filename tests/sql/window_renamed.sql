-- Window columns renamed in a subquery, then grouped.
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
SELECT ws, we, d, MAX(amp) AS m FROM (
  SELECT window_start AS ws, window_end AS we, device AS d, amp FROM TABLE(HOP(TABLE motors, DESCRIPTOR(ts), INTERVAL '1' MINUTE, INTERVAL '2' MINUTE)))
GROUP BY ws, we, d;
