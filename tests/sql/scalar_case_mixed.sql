-- CASE and COALESCE over types that widen.
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

SELECT CASE WHEN b THEN ti ELSE si END AS c1, COALESCE(ti, de) AS c2, CASE WHEN ti > 0 THEN de WHEN ti < 0 THEN si END AS c3, GREATEST(ti, si) AS g, NULLIF(si, ti) AS nl, IF(b, f, ti) AS i FROM types;
