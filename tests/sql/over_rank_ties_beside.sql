-- RANK beside COUNT and SUM over rows of equal time.
CREATE TABLE ties (
  device STRING, ts TIMESTAMP(3), n INT, k STRING, x DOUBLE,
  WATERMARK FOR ts AS ts - INTERVAL '5' SECOND
) WITH ('connector' = 'filesystem', 'path' = 'data/ties.csv', 'format' = 'csv', 'csv.null-literal' = '');

SELECT device, ts, n, RANK() OVER w AS r, COUNT(*) OVER w AS c, SUM(n) OVER w AS s FROM ties WINDOW w AS (PARTITION BY device ORDER BY ts);
