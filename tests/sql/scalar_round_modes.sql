-- ROUND, TRUNCATE, FLOOR and CEIL over DECIMAL, halves and negatives.
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

SELECT id, ROUND(d, 0) AS r0, ROUND(d, 2) AS r2, ROUND(d, 5) AS r5, ROUND(-2.5) AS n1, ROUND(2.5e0) AS n2, ROUND(-x, 0) AS rx, TRUNCATE(d) AS t0, TRUNCATE(-d, 2) AS t2, CEIL(-d) AS c, FLOOR(-d) AS f, CAST(d AS DECIMAL(10, 2)) AS c2, CAST(x AS DECIMAL(12, 2)) AS x2, CAST(d * 10 AS BIGINT) AS b FROM numbers WHERE id <> 7;
