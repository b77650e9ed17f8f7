-- PARTITION BY two columns.
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
SELECT device, line, window_start, window_end, COUNT(*) AS n, SUM(amp) AS s FROM TABLE(SESSION(TABLE motors PARTITION BY (device, line), DESCRIPTOR(ts), INTERVAL '15' SECOND)) GROUP BY device, line, window_start, window_end;
