-- The last row of each session by a number.
CREATE TABLE bursts (
  id INT,
  k STRING,
  ts TIMESTAMP(3),
  v INT,
  x DOUBLE,
  WATERMARK FOR ts AS ts - INTERVAL '5' SECOND
) WITH ('connector' = 'filesystem', 'path' = 'data/bursts.csv', 'format' = 'csv', 'csv.null-literal' = '');
SELECT k, window_start, window_end, id, v FROM (
  SELECT *, ROW_NUMBER() OVER (PARTITION BY k, window_start, window_end ORDER BY v DESC, id) AS rn FROM (
   SELECT k, window_start, window_end, MAX(id) AS id, SUM(v) AS v FROM TABLE(SESSION(TABLE bursts PARTITION BY k, DESCRIPTOR(ts), INTERVAL '10' SECOND)) GROUP BY k, window_start, window_end))
WHERE rn = 1;
