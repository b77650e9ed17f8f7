-- Sessions: a gap exactly met joins, one millisecond more parts, a late row may join two sessions.
CREATE TABLE bursts (
  id INT,
  k STRING,
  ts TIMESTAMP(3),
  v INT,
  x DOUBLE,
  WATERMARK FOR ts AS ts - INTERVAL '5' SECOND
) WITH ('connector' = 'filesystem', 'path' = 'data/bursts.csv', 'format' = 'csv', 'csv.null-literal' = '');
SELECT k, window_start, window_end, COUNT(*) AS n, SUM(v) AS s, MIN(id) AS a, MAX(id) AS z FROM TABLE(SESSION(TABLE bursts PARTITION BY k, DESCRIPTOR(ts), INTERVAL '10' SECOND)) GROUP BY k, window_start, window_end;
