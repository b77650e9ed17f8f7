-- sums of TINYINT and SMALLINT wrap in DEFINE, too.
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
  MEASURES SUM(a.si) AS s, SUM(a.ti) AS i, COUNT(a.ti) AS n, z.ts AS at_ts
  ONE ROW PER MATCH AFTER MATCH SKIP TO NEXT ROW
  PATTERN (a+? z) DEFINE z AS SUM(a.si) > 20000 OR SUM(a.ti) < 0);
