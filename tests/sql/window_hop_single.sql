-- HOP whose slide is its size.
CREATE TABLE bursts (
  id INT,
  k STRING,
  ts TIMESTAMP(3),
  v INT,
  x DOUBLE,
  WATERMARK FOR ts AS ts - INTERVAL '5' SECOND
) WITH ('connector' = 'filesystem', 'path' = 'data/bursts.csv', 'format' = 'csv', 'csv.null-literal' = '');
SELECT window_start, window_end, COUNT(*) AS n FROM TABLE(HOP(TABLE bursts, DESCRIPTOR(ts), INTERVAL '30' SECOND, INTERVAL '30' SECOND)) GROUP BY window_start, window_end;
