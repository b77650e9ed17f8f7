-- LIKE with ESCAPE, SIMILAR TO, NOT BETWEEN, regular expressions over columns.
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

SELECT k, k LIKE 'k!_' ESCAPE '!' AS l, k LIKE 'k_' AS l2, k SIMILAR TO 'k[12]' AS s, ti NOT BETWEEN -50 AND 50 AS nb, REGEXP_EXTRACT(CAST(de AS STRING), '(-?\d+)\.(\d+)', 2) AS frac, SPLIT_INDEX(CAST(ts AS STRING), ' ', 1) AS clock FROM types;
