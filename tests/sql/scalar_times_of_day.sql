-- TIME in arithmetic, comparisons and formats.
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

SELECT t, t + INTERVAL '1' HOUR AS h, t - INTERVAL '90' MINUTE AS m, t > '12:00:00' AS s, CAST(t AS STRING) AS x, HOUR(t) AS hh, SECOND(t) AS ss, TIMESTAMPDIFF(MINUTE, TIME '00:00:00', t) AS mins FROM types;
