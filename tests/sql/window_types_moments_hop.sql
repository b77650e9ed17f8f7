-- VAR and STDDEV of whole numbers and FLOAT in HOP.
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

SELECT k, window_start, VAR_POP(ti) AS vp, VAR_SAMP(si) AS vs, STDDEV_POP(ti) AS sp, STDDEV_SAMP(si) AS ss, VAR_POP(f) AS vf, STDDEV_SAMP(f) AS sf
FROM TABLE(HOP(TABLE types, DESCRIPTOR(ts), INTERVAL '5' SECOND, INTERVAL '20' SECOND)) GROUP BY k, window_start, window_end;
