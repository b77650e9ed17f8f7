-- ROWS n PRECEDING with every aggregate.
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
SELECT id, device, SUM(amp) OVER w AS s, AVG(amp) OVER w AS a, MIN(rpm) OVER w AS lo, MAX(rpm) OVER w AS hi, COUNT(line) OVER w AS nl, COUNT(*) OVER w AS n FROM motors WINDOW w AS (PARTITION BY device ORDER BY ts ROWS BETWEEN 3 PRECEDING AND CURRENT ROW);
