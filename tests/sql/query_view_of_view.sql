-- Views with column lists over views, star and renaming.
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

CREATE VIEW v1 (d, t, a) AS SELECT device, ts, amp FROM motors;

CREATE TEMPORARY VIEW v2 AS SELECT d, t, a * 2 AS a2 FROM v1 WHERE d IS NOT NULL;

SELECT d, SUM(a2) AS s, window_end FROM TABLE(TUMBLE(TABLE v2, DESCRIPTOR(t), INTERVAL '1' MINUTE)) GROUP BY d, window_start, window_end;
