-- dates, times and LTZ in expressions.
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

SELECT d + INTERVAL '1' MONTH AS m, t, CAST(d AS TIMESTAMP(3)) AS dt, d > DATE '2026-03-01' AS c, t BETWEEN TIME '06:00:00' AND TIME '18:00:00' AS day_time, EXTRACT(HOUR FROM t) AS h, l + INTERVAL '1' HOUR AS l1, DATE_FORMAT(l, 'HH:mm') AS lf, CAST(l AS DATE) AS ld, TIMESTAMPDIFF(DAY, d, CAST(ts AS DATE)) AS days FROM types;
