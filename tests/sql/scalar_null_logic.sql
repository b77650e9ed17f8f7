-- three-valued logic over columns that are NULL.
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

SELECT b AND ti > 0 AS a, b OR ti > 0 AS o, NOT b AS n, (ti > 0) = b AS e, b IS DISTINCT FROM (ti > 0) AS d, ti IN (1, NULL, 5) AS i, ti NOT IN (1, 5) AS ni, COALESCE(b, ti IS NULL) AS c FROM types;
