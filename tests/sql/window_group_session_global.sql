-- GROUP BY SESSION(…) alone: one session over all rows.
CREATE TABLE bursts (
  id INT,
  k STRING,
  ts TIMESTAMP(3),
  v INT,
  x DOUBLE,
  WATERMARK FOR ts AS ts - INTERVAL '5' SECOND
) WITH ('connector' = 'filesystem', 'path' = 'data/bursts.csv', 'format' = 'csv', 'csv.null-literal' = '');
SELECT SESSION_START(ts, INTERVAL '5' SECOND) AS s, COUNT(*) AS n, COUNT(DISTINCT k) AS ks FROM bursts GROUP BY SESSION(ts, INTERVAL '5' SECOND);
