-- Top-N by DATE with NULLs, and by TIME descending.
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

SELECT * FROM (SELECT k, d, t, window_start, ROW_NUMBER() OVER (PARTITION BY window_start, window_end ORDER BY d, t DESC) AS r FROM TABLE(TUMBLE(TABLE types, DESCRIPTOR(ts), INTERVAL '30' SECOND))) WHERE r <= 3;
