-- SUM, AVG, MIN, MAX of FLOAT, DOUBLE and DECIMAL.
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
SELECT window_end, SUM(fl) AS sf, AVG(fl) AS af, MIN(fl) AS mf, SUM(amp) AS sd, AVG(amp) AS ad, MAX(amp) AS md, SUM(cost) AS sc, AVG(cost) AS ac, MIN(cost) AS lo, MAX(cost) AS hi
FROM TABLE(TUMBLE(TABLE motors, DESCRIPTOR(ts), INTERVAL '90' SECOND)) GROUP BY window_end, window_start;
