-- ORDER BY the event time: rows come in order; the ones behind those that have gone out are late.
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

SELECT k, ts, f, ti FROM types ORDER BY ts;
