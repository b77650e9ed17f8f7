-- Standard deviations and variances of DOUBLE by key, with groups of one row.
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
SELECT device, window_start, STDDEV_POP(amp) AS sp, STDDEV_SAMP(amp) AS ss, VAR_POP(amp) AS vp, VAR_SAMP(amp) AS vs, STDDEV(amp) AS sd, VARIANCE(amp) AS va
FROM TABLE(TUMBLE(TABLE motors, DESCRIPTOR(ts), INTERVAL '2' MINUTE)) GROUP BY device, window_start, window_end;
