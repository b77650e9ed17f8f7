-- AVG of TINYINT, FIRST_VALUE and LAST_VALUE of DATE and TIME in a bounded ROWS.
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

SELECT k, ts, AVG(ti) OVER w AS i, COUNT(bts) OVER w AS r, LAST_VALUE(d) OVER w AS ld, FIRST_VALUE(t) OVER w AS ft FROM types
WINDOW w AS (PARTITION BY k ORDER BY ts ROWS BETWEEN 3 PRECEDING AND CURRENT ROW);
