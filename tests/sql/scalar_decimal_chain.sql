-- DECIMAL: products, quotients, casts that round, sums with INT.
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

SELECT id, cost * 2 AS m, cost / 3 AS q, cost + rpm AS p, cost - 0.1 AS mi, CAST(cost AS DECIMAL(6, 1)) AS c1, CAST(cost AS INT) AS ci, ROUND(cost, -1) AS r1, cost * 1e0 AS dbl, -cost AS neg, ABS(-cost) AS ab, MOD(cost, 7) AS mo FROM motors;
