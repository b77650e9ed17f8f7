-- Top-N of each device in each window, several columns, NULLs last.
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
SELECT device, window_start, id, amp, rn FROM (
  SELECT device, window_start, id, amp, ROW_NUMBER() OVER (PARTITION BY window_start, window_end, device ORDER BY amp DESC NULLS LAST, id ASC) AS rn
  FROM TABLE(TUMBLE(TABLE motors, DESCRIPTOR(ts), INTERVAL '2' MINUTE)))
WHERE rn <= 2;
