-- DATE, TIME, FLOAT, BOOLEAN, DECIMAL in measures and conditions.
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

SELECT * FROM types MATCH_RECOGNIZE (
  PARTITION BY k ORDER BY ts
  MEASURES FIRST(a.d) AS d, LAST(a.t) AS t, SUM(a.f) AS f, MAX(a.de) AS de, AVG(a.ti) AS ti, z.b AS b, z.l AS l
  ONE ROW PER MATCH AFTER MATCH SKIP PAST LAST ROW
  PATTERN (a{1,3}? z) DEFINE a AS a.f IS NOT NULL AND NOT a.f > 100, z AS z.b IS TRUE OR z.d > DATE '2026-04-01');
