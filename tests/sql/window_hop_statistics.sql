-- Statistics and distinct counts over sliding windows.
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
SELECT window_start, window_end, STDDEV_SAMP(amp) AS sd, VAR_POP(amp) AS vp, COUNT(DISTINCT device) AS devices, SUM(DISTINCT rpm) AS rpms, SUM(cost) AS costs, AVG(cost) AS mean
FROM TABLE(HOP(TABLE motors, DESCRIPTOR(ts), INTERVAL '1' MINUTE, INTERVAL '3' MINUTE)) GROUP BY window_start, window_end;
