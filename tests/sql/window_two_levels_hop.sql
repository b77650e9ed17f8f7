-- HOP over the window_time of a tumbling window, by key.
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
CREATE VIEW by_minute AS SELECT device, window_time AS mt, COUNT(*) AS n, SUM(amp) AS s FROM TABLE(TUMBLE(TABLE motors, DESCRIPTOR(ts), INTERVAL '1' MINUTE)) GROUP BY device, window_start, window_end, window_time;
SELECT device, window_start, window_end, SUM(n) AS n, SUM(s) AS s FROM TABLE(HOP(TABLE by_minute, DESCRIPTOR(mt), INTERVAL '1' MINUTE, INTERVAL '2' MINUTE)) GROUP BY device, window_start, window_end;
