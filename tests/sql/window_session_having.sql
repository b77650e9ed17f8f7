-- Duration of sessions, HAVING, FILTER, statistics.
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
SELECT device, window_start, TIMESTAMPDIFF(SECOND, window_start, window_end) - 12 AS secs, COUNT(*) FILTER (WHERE flag) AS flagged, STDDEV_POP(amp) AS sp, MAX(cost) - MIN(cost) AS spread
FROM TABLE(SESSION(TABLE motors PARTITION BY device, DESCRIPTOR(ts), INTERVAL '12' SECOND)) WHERE device IS NOT NULL GROUP BY device, window_start, window_end HAVING COUNT(*) > 1;
