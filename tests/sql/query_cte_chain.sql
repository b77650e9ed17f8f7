-- WITH that reads WITH, column names given.
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
WITH a (d, t, w) AS (SELECT device, ts, amp FROM motors WHERE amp IS NOT NULL), b AS (SELECT d, t, w * w AS sq FROM a WHERE d <> 'm-3')
SELECT d, t, sq FROM b WHERE sq > 500;
