-- CUMULATE with an offset and ROLLUP; GROUPING and GROUPING_ID tell absent keys from NULL keys.
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

SELECT window_start, window_end, line, device, GROUPING(line) AS gl, GROUPING(device) AS gd, GROUPING_ID(line, device) AS gid, COUNT(*) AS n, MIN(fl) AS lo
FROM TABLE(CUMULATE(TABLE motors, DESCRIPTOR(ts), INTERVAL '20' SECOND, INTERVAL '1' MINUTE, INTERVAL '10' SECOND))
GROUP BY window_start, window_end, ROLLUP (line, device);
