-- A window function with a table alias and qualified columns.
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
SELECT w.device, w.window_start, COUNT(w.id) AS n FROM TABLE(TUMBLE(TABLE motors, DESCRIPTOR(ts), INTERVAL '2' MINUTE)) AS w WHERE w.line = 'north' GROUP BY w.device, w.window_start, w.window_end;
