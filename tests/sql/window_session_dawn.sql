-- Sessions around 1970.
CREATE TABLE dawn (
  id INT,
  k STRING,
  ts TIMESTAMP(3),
  v INT,
  WATERMARK FOR ts AS ts - INTERVAL '2' SECOND
) WITH ('connector' = 'filesystem', 'path' = 'data/dawn.csv', 'format' = 'csv', 'csv.null-literal' = '');
SELECT k, window_start, window_end, COUNT(*) AS n FROM TABLE(SESSION(TABLE dawn PARTITION BY k, DESCRIPTOR(ts), INTERVAL '3' SECOND)) GROUP BY k, window_start, window_end;
