-- MIN and MAX of DATE, TIME, FLOAT, TINYINT, SMALLINT, DECIMAL, BOOLEAN and TIMESTAMP_LTZ.
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

SELECT k, window_start, MIN(d) AS d0, MAX(d) AS d1, MIN(t) AS t0, MAX(t) AS t1, MIN(f) AS f0, MAX(f) AS f1, MIN(ti) AS i0, MAX(si) AS s1, MAX(de) AS de1, MIN(b) AS b0, MAX(b) AS b1, MIN(l) AS l0, MAX(l) AS l1
FROM TABLE(TUMBLE(TABLE types, DESCRIPTOR(ts), INTERVAL '20' SECOND)) GROUP BY k, window_start, window_end;
