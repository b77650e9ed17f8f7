-- OVER by a key with NULLs, AVG of DECIMAL, MIN of text, with NULL rows in the frame.
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

SELECT id, AVG(cost) OVER w AS c, MIN(device) OVER w AS d, MAX(flag) OVER w AS f, COUNT(line) OVER w AS n FROM motors WINDOW w AS (PARTITION BY line ORDER BY ts RANGE BETWEEN INTERVAL '10' SECOND PRECEDING AND CURRENT ROW);
