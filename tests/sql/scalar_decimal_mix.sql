-- DECIMAL with other numbers.
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
SELECT id, cost * rpm AS cr, cost / 3 AS third, cost + amp AS ca, ROUND(cost, 1) AS r1, CAST(cost AS INT) AS ci, cost * 0.19 AS vat FROM motors WHERE id BETWEEN 5 AND 40;
