-- Wrapping of INT and BIGINT, casts that cut.
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

SELECT id, a + 1 AS a1, a * 2 AS a2, big + 1 AS b1, big * 2 AS b2, CAST(big AS SMALLINT) AS bs, CAST(x AS BIGINT) AS xb, CAST(y AS INT) AS yi, ABS(a) AS ab, -big AS nb, CAST(a AS TINYINT) AS aty FROM numbers;
