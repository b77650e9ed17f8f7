-- dates in comparisons, BETWEEN, IN and CASE.
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

SELECT d, d BETWEEN DATE '2026-02-01' AND DATE '2026-03-31' AS b, d IN (DATE '2026-01-07', DATE '2026-05-05') AS i, d > '2026-03-01' AS s, CASE WHEN d IS NULL THEN 'none' WHEN d < DATE '2026-04-01' THEN DATE_FORMAT(CAST(d AS TIMESTAMP(3)), 'MMM') ELSE CAST(d AS STRING) END AS c, d - INTERVAL '1' DAY AS y, QUARTER(d) AS q FROM types;
