-- arithmetic over small types and FLOAT.
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

SELECT ti + si AS a, ti * si AS m, ti / 7 AS q, f * 2 AS f2, f + ti AS ft, f * de AS fd, de / ti AS dq, -ti AS n, ABS(si) AS ab, CAST(de AS TINYINT) AS ct, CAST(f AS INT) AS fi, CAST(ti AS STRING) AS s, CAST(f AS STRING) AS fs FROM types WHERE ti <> 0;
