-- WHERE below the window; filtered rows still move the watermark.
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
SELECT device, window_start, COUNT(*) AS n, AVG(amp) AS a
FROM TABLE(TUMBLE(TABLE motors, DESCRIPTOR(ts), INTERVAL '30' SECOND)) WHERE amp > 10 AND device IS NOT NULL GROUP BY device, window_start, window_end;
