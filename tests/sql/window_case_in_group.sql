-- grouping by CASE with NULL, HAVING over another aggregate.
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

SELECT CASE WHEN ti > 0 THEN 'p' WHEN ti < 0 THEN 'n' END AS sign_of, window_end, COUNT(*) AS n FROM TABLE(TUMBLE(TABLE types, DESCRIPTOR(ts), INTERVAL '30' SECOND)) GROUP BY CASE WHEN ti > 0 THEN 'p' WHEN ti < 0 THEN 'n' END, window_start, window_end HAVING MAX(si) > 0 OR SUM(ti) IS NULL;
