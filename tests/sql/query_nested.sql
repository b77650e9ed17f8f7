-- Subqueries three deep with renamed columns.
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
SELECT a, b + 1 AS c FROM (SELECT d AS a, w AS b FROM (SELECT device AS d, amp * 2 AS w, id FROM motors WHERE amp > 20) WHERE id > 10) WHERE b < 75;
