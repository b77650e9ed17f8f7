-- GROUP BY SESSION(…): a gap exactly met joins, one millisecond more parts, a late row may join two sessions.
CREATE TABLE bursts (
  id INT,
  k STRING,
  ts TIMESTAMP(3),
  v INT,
  x DOUBLE,
  WATERMARK FOR ts AS ts - INTERVAL '5' SECOND
) WITH ('connector' = 'filesystem', 'path' = 'data/bursts.csv', 'format' = 'csv', 'csv.null-literal' = '');
SELECT k, SESSION_START(ts, INTERVAL '10' SECOND) AS s, SESSION_END(ts, INTERVAL '10' SECOND) AS e, SESSION_ROWTIME(ts, INTERVAL '10' SECOND) AS r, COUNT(*) AS n, SUM(v) AS su, MIN(id) AS a, MAX(id) AS z FROM bursts GROUP BY SESSION(ts, INTERVAL '10' SECOND), k;
