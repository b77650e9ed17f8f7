-- DECIMAL divisions and sums of several scales.
CREATE TABLE numbers (
  id INT,
  a INT,
  b INT,
  x DOUBLE,
  y DOUBLE,
  d DECIMAL(10, 3),
  big BIGINT,
  flag BOOLEAN,
  s STRING,
  ts TIMESTAMP(3),
  WATERMARK FOR ts AS ts - INTERVAL '5' SECOND
) WITH ('connector' = 'filesystem', 'path' = 'data/numbers.csv', 'format' = 'csv', 'csv.null-literal' = '');

SELECT id, d / 3 AS q3, d / 0.7 AS q7, 1 / (d + 0.001) AS inv, d * d AS sq, d * d * d AS cu, (d + 1) / (b + 10) AS m, b / 2.5 AS b25, d % 0.3 AS md, CAST(d AS DECIMAL(38, 18)) * 1.000000001 AS w, d + x AS dx, d = 10.125 AS e, d > a AS g FROM numbers WHERE d <> -0.001;
