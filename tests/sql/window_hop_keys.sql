-- HOP by key with NULL keys, late rows, and every simple aggregate.
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
SELECT line, window_start, window_end, COUNT(*) AS n, SUM(amp) AS s, AVG(rpm) AS r, MIN(cost) AS lo, MAX(device) AS d
FROM TABLE(HOP(TABLE motors, DESCRIPTOR(ts), INTERVAL '30' SECOND, INTERVAL '90' SECOND)) GROUP BY line, window_start, window_end;
