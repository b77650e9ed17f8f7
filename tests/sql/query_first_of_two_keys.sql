-- First row of each pair of keys, NULL keys among them, then filtered.
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

SELECT device, line, id, amp FROM (SELECT *, ROW_NUMBER() OVER (PARTITION BY device, line ORDER BY ts ASC) AS rn FROM motors) WHERE rn = 1 AND amp IS NOT NULL;
