-- Tumbling windows around 1970.
CREATE TABLE dawn (
  id INT,
  k STRING,
  ts TIMESTAMP(3),
  v INT,
  WATERMARK FOR ts AS ts - INTERVAL '2' SECOND
) WITH ('connector' = 'filesystem', 'path' = 'data/dawn.csv', 'format' = 'csv', 'csv.null-literal' = '');
SELECT window_start, window_end, window_time, COUNT(*) AS n, SUM(v) AS s FROM TABLE(TUMBLE(TABLE dawn, DESCRIPTOR(ts), INTERVAL '4' SECOND)) GROUP BY window_start, window_end, window_time;
