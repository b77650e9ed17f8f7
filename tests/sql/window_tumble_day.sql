-- A window of a day, of an hour with an offset, in one union.
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

SELECT window_start, window_end, COUNT(*) AS n FROM TABLE(TUMBLE(TABLE motors, DESCRIPTOR(ts), INTERVAL '1' DAY)) GROUP BY window_start, window_end UNION ALL SELECT window_start, window_end, COUNT(*) FROM TABLE(TUMBLE(TABLE motors, DESCRIPTOR(ts), INTERVAL '1' HOUR, INTERVAL '1' MINUTE)) GROUP BY window_start, window_end;
