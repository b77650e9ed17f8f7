-- The remainder of DECIMALs and whole numbers: its type.
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

SELECT id, MOD(CAST(cost AS DECIMAL(10, 0)), 7) AS a, MOD(rpm, CAST(7 AS DECIMAL(5, 0))) AS b, MOD(cost, 7) AS c, cnt % CAST(7 AS DECIMAL(5, 0)) AS d, MOD(CAST(cost AS DECIMAL(10, 0)), CAST(7 AS DECIMAL(3, 0))) AS e, MOD(cost, 0.7) AS f FROM motors WHERE id < 40;
