-- The same by ROWS.
CREATE TABLE ties (
  device STRING, ts TIMESTAMP(3), n INT, k STRING, x DOUBLE,
  WATERMARK FOR ts AS ts - INTERVAL '5' SECOND
) WITH ('connector' = 'filesystem', 'path' = 'data/ties.csv', 'format' = 'csv', 'csv.null-literal' = '');

SELECT device, ts, n, FIRST_VALUE(k) OVER w AS f, LAST_VALUE(x) OVER w AS l, COUNT(x) OVER w AS c FROM ties WINDOW w AS (PARTITION BY device ORDER BY ts ROWS BETWEEN 2 PRECEDING AND CURRENT ROW);
