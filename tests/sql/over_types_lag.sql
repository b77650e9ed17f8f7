-- LAG of DATE, TIME, BOOLEAN, FLOAT and DECIMAL.
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

SELECT k, ts, LAG(d) OVER w AS d, LAG(t) OVER w AS t, LAG(b) OVER w AS b, LAG(f) OVER w AS f, LAG(de, 2) OVER w AS de FROM types WINDOW w AS (PARTITION BY k ORDER BY ts);
