-- FIRST_VALUE and LAST_VALUE over rows of equal time, by RANGE.
CREATE TABLE ties (
  device STRING, ts TIMESTAMP(3), n INT, k STRING, x DOUBLE,
  WATERMARK FOR ts AS ts - INTERVAL '5' SECOND
) WITH ('connector' = 'filesystem', 'path' = 'data/ties.csv', 'format' = 'csv', 'csv.null-literal' = '');

SELECT device, ts, n, FIRST_VALUE(k) OVER w AS f, LAST_VALUE(k) OVER w AS l FROM ties WINDOW w AS (PARTITION BY device ORDER BY ts RANGE BETWEEN INTERVAL '1' SECOND PRECEDING AND CURRENT ROW);
