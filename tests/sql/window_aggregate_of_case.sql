-- Sums over CASE and over comparisons; MIN and MAX of BOOLEAN, DATE and text.
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

SELECT window_start, SUM(CASE WHEN amp > 20 THEN 1 ELSE 0 END) AS hot, SUM(CASE WHEN flag THEN cost END) AS c, MAX(flag) AS any_flag, MIN(flag) AS all_flags, MAX(device) AS last_name, MIN(CAST(ts AS DATE)) AS d, MAX(CAST(ts AS TIME)) AS t
FROM TABLE(TUMBLE(TABLE motors, DESCRIPTOR(ts), INTERVAL '1' MINUTE))
GROUP BY window_start, window_end;
