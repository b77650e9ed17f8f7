-- Statistics of whole numbers and decimals in sessions of a line.
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

SELECT line, window_start, VAR_POP(rpm) AS vp, VAR_SAMP(cost) AS ds, STDDEV_POP(cost) AS dsp, STDDEV_SAMP(id) AS i
FROM TABLE(SESSION(TABLE motors PARTITION BY line, DESCRIPTOR(ts), INTERVAL '9' SECOND)) GROUP BY line, window_start, window_end;
