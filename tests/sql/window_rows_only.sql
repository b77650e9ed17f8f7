-- A window function without aggregation only adds columns, and drops nothing that is late.
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
SELECT id, device, window_start, window_end, window_time FROM TABLE(TUMBLE(TABLE motors, DESCRIPTOR(ts), INTERVAL '1' MINUTE)) WHERE id > 60;
