-- HOP with an offset.
CREATE TABLE bursts (
  id INT,
  k STRING,
  ts TIMESTAMP(3),
  v INT,
  x DOUBLE,
  WATERMARK FOR ts AS ts - INTERVAL '5' SECOND
) WITH ('connector' = 'filesystem', 'path' = 'data/bursts.csv', 'format' = 'csv', 'csv.null-literal' = '');
SELECT window_start, window_end, SUM(v) AS s, COUNT(*) AS n
FROM TABLE(HOP(TABLE bursts, DESCRIPTOR(ts), INTERVAL '20' SECOND, INTERVAL '1' MINUTE, INTERVAL '7' SECOND)) GROUP BY window_start, window_end;
