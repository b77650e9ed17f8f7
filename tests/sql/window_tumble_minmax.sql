-- MIN and MAX of texts, booleans and times.
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
SELECT window_start, MIN(device) AS d0, MAX(device) AS d1, MIN(ts) AS t0, MAX(ts) AS t1, MAX(CAST(ts AS DATE)) AS day1, MIN(flag) AS f0, MAX(flag) AS f1
FROM TABLE(TUMBLE(TABLE motors, DESCRIPTOR(ts), INTERVAL '2' MINUTE)) GROUP BY window_start, window_end;
