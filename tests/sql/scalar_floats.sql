-- FLOAT in comparisons, sums with literals, rounding.
CREATE TABLE types (
  k STRING,
  ts TIMESTAMP(3),
  d DATE,
  t TIME,
  f FLOAT,
  ti TINYINT,
  si SMALLINT,
  de DECIMAL(6, 2),
  b BOOLEAN,
  bts BYTES,
  l TIMESTAMP_LTZ(3),
  WATERMARK FOR ts AS ts - INTERVAL '5' SECOND
) WITH ('connector' = 'filesystem', 'path' = 'data/types.csv', 'format' = 'csv', 'csv.null-literal' = '');

SELECT f, f * 2.5 AS a, f + 1e0 AS b, f > 0.1 AS c, f = 0.2e0 AS d, ROUND(f, 1) AS r, CAST(f AS DOUBLE) AS x, CAST(f AS DECIMAL(10, 2)) AS de, FLOOR(f) AS fl, -f AS n, f IN (0.1, 2.5) AS i, CASE WHEN f > 1 THEN f ELSE 0e0 END AS ca, COALESCE(f, 0e0) AS co FROM types;
