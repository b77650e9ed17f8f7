-- Many functions in one frame of time.
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

SELECT id, MIN(amp) OVER w AS lo, MAX(amp) OVER w AS hi, MIN(line) OVER w AS first_line, MAX(line) OVER w AS last_line, SUM(cost) OVER w AS cost, AVG(rpm) OVER w AS rpm, COUNT(*) OVER w AS n, SUM(cnt) OVER w AS cnt, SUM(tiny) OVER w AS tiny, MAX(flag) OVER w AS flag FROM motors WINDOW w AS (PARTITION BY device ORDER BY ts RANGE BETWEEN INTERVAL '10' SECOND PRECEDING AND CURRENT ROW);
