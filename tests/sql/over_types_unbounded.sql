-- SUM of FLOAT and statistics without an end.
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

SELECT k, ts, SUM(f) OVER w AS f, STDDEV_POP(f) OVER w AS sf, VAR_POP(de) OVER w AS vd, MIN(l) OVER w AS l FROM types
WINDOW w AS (PARTITION BY k ORDER BY ts);
