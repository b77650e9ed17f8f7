-- DISTINCT beside FILTER, and the same value filtered in two ways.
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

SELECT window_start, COUNT(DISTINCT k) FILTER (WHERE ti > 0) AS p, COUNT(DISTINCT k) FILTER (WHERE ti < 0) AS q, SUM(DISTINCT si) AS s, AVG(DISTINCT ti) AS a, COUNT(DISTINCT f) AS f
FROM TABLE(TUMBLE(TABLE types, DESCRIPTOR(ts), INTERVAL '30' SECOND)) GROUP BY window_start, window_end;
