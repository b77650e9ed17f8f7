-- HAVING over a sliding window by key.
CREATE TABLE bursts (
  id INT,
  k STRING,
  ts TIMESTAMP(3),
  v INT,
  x DOUBLE,
  WATERMARK FOR ts AS ts - INTERVAL '5' SECOND
) WITH ('connector' = 'filesystem', 'path' = 'data/bursts.csv', 'format' = 'csv', 'csv.null-literal' = '');
SELECT k, window_start, SUM(v) AS s FROM TABLE(HOP(TABLE bursts, DESCRIPTOR(ts), INTERVAL '10' SECOND, INTERVAL '20' SECOND))
WHERE k IS NOT NULL GROUP BY k, window_start, window_end HAVING SUM(v) > 10;
