-- VALUES of mixed types in a join.
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

SELECT t.k, t.ts, v.label FROM types AS t JOIN (VALUES ('k1', TRUE, 'one'), ('k2', FALSE, 'two'), ('k3', CAST(NULL AS BOOLEAN), 'none')) AS v (k, b, label) ON t.k = v.k AND t.b = v.b;
