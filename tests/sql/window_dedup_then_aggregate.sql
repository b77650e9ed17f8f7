-- The first row of each window and key, then sums of those by window.
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

SELECT window_start, window_end, COUNT(*) AS n, SUM(amp) AS s FROM (SELECT window_start, window_end, amp FROM (SELECT *, ROW_NUMBER() OVER (PARTITION BY window_start, window_end, device ORDER BY ts ASC) AS rn FROM TABLE(TUMBLE(TABLE motors, DESCRIPTOR(ts), INTERVAL '30' SECOND))) WHERE rn <= 1) GROUP BY window_start, window_end;
