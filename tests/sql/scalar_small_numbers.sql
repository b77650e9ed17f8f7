-- Arithmetic of TINYINT, SMALLINT and FLOAT.
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
SELECT id, tiny + tiny AS tt, small * small AS sm, tiny + small AS ts2, fl * 2 AS f2, fl * tiny AS ft, -tiny AS nt FROM motors WHERE id <= 40;
