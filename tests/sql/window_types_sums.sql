-- SUM and AVG of FLOAT, TINYINT, SMALLINT, DECIMAL: their own types.
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

SELECT k, window_start, SUM(ti) AS i, SUM(si) AS s, SUM(de) AS d, AVG(f) AS fa, AVG(ti) AS ia, AVG(si) AS sa, AVG(de) AS da, COUNT(DISTINCT b) AS b, COUNT(DISTINCT t) AS t, COUNT(DISTINCT d) AS dd
FROM TABLE(TUMBLE(TABLE types, DESCRIPTOR(ts), INTERVAL '20' SECOND)) GROUP BY k, window_start, window_end;
