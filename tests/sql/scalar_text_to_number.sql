-- TRY_CAST and CAST of texts with blanks, signs and points.
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

SELECT id, TRY_CAST(s AS BIGINT) AS b, TRY_CAST(s AS FLOAT) AS f, TRY_CAST(TRIM(s) AS DECIMAL(4, 1)) AS d, TRY_CAST(' 7 ' AS INT) AS i7, TRY_CAST('1e2' AS INT) AS e2, TRY_CAST('0x1F' AS INT) AS hx, TRY_CAST('+8' AS TINYINT) AS p8, TRY_CAST('300' AS TINYINT) AS t3, TRY_CAST('yes' AS BOOLEAN) AS y, TRY_CAST('1' AS BOOLEAN) AS b1, TRY_CAST('T' AS BOOLEAN) AS tt, TRY_CAST('2026-3-1' AS DATE) AS dt, TRY_CAST('2026-03-01 8:5' AS TIMESTAMP(3)) AS ts2, TRY_CAST('8:05' AS TIME) AS ti, TRY_CAST('NaN' AS DOUBLE) AS nan FROM numbers WHERE id < 7;
