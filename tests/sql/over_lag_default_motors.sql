-- LAG with a default over a column with NULLs.
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

SELECT id, device, amp, LAG(amp, 1, 0e0) OVER (PARTITION BY device ORDER BY ts) AS before, LAG(rpm, 3, -1) OVER (PARTITION BY device ORDER BY ts) AS three FROM motors;
