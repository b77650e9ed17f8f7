-- sums of TINYINT, SMALLINT, DECIMAL in a bounded RANGE.
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

SELECT k, ts, SUM(ti) OVER w AS i, AVG(si) OVER w AS s, SUM(de) OVER w AS d, MIN(d) OVER w AS md, MAX(t) OVER w AS mt, MAX(b) OVER w AS mb FROM types
WINDOW w AS (PARTITION BY k ORDER BY ts RANGE BETWEEN INTERVAL '10' SECOND PRECEDING AND CURRENT ROW);
