-- grouping by a comparison that can be NULL.
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

SELECT ti > 0 AS positive, window_start, COUNT(*) AS n FROM TABLE(TUMBLE(TABLE types, DESCRIPTOR(ts), INTERVAL '30' SECOND)) GROUP BY ti > 0, window_start, window_end;
