-- HAVING with aggregates that are not selected, AND, OR.
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
SELECT device, window_start, MAX(amp) AS top
FROM TABLE(TUMBLE(TABLE motors, DESCRIPTOR(ts), INTERVAL '1' MINUTE)) GROUP BY device, window_start, window_end
HAVING (COUNT(*) >= 3 AND MIN(amp) < 10) OR SUM(rpm) IS NULL;
