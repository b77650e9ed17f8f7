-- A view with column names of its own and aliases with columns.
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
CREATE TEMPORARY VIEW v (who, at_time, amps) AS SELECT device, ts, amp FROM motors;
SELECT t.a, t.c FROM v AS t (a, b, c) WHERE t.c > 30;
