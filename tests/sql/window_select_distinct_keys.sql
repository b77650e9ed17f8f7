-- Arithmetic on window columns and DATE_FORMAT in SELECT.
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
SELECT DATE_FORMAT(window_start, 'HH:mm:ss') AS at_time, TIMESTAMPDIFF(SECOND, window_start, window_end) AS secs, COUNT(*) * 60 / TIMESTAMPDIFF(SECOND, window_start, window_end) AS per_minute, MAX(amp) - AVG(amp) AS over_mean
FROM TABLE(TUMBLE(TABLE motors, DESCRIPTOR(ts), INTERVAL '30' SECOND)) GROUP BY window_start, window_end;
