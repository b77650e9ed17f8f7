-- an interval join on BOOLEAN and DATE keys with a residual over FLOAT.
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

SELECT a.k AS ak, b.k AS bk, a.ts, b.ts AS bts, a.d FROM types AS a JOIN types AS b ON a.b = b.b AND a.k <> b.k AND b.ts BETWEEN a.ts - INTERVAL '3' SECOND AND a.ts AND a.f < b.f;
