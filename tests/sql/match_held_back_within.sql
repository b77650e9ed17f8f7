-- A match that waits for an earlier run until that is too old.
CREATE TABLE steps (
  device STRING, ts TIMESTAMP(3), n INT, k STRING, x DOUBLE,
  WATERMARK FOR ts AS ts - INTERVAL '5' SECOND
) WITH ('connector' = 'filesystem', 'path' = 'data/steps.csv', 'format' = 'csv', 'csv.null-literal' = '');

SELECT * FROM steps MATCH_RECOGNIZE (
  PARTITION BY device ORDER BY ts
  MEASURES a.n AS a_n, c.n AS c_n, MATCH_ROWTIME() AS rt
  ONE ROW PER MATCH
  AFTER MATCH SKIP TO NEXT ROW
  PATTERN (a b*? c) WITHIN INTERVAL '3' SECOND
  DEFINE a AS a.n IN (7, 8, 20, 21), b AS TRUE, c AS c.n = a.n + 1 AND a.n IN (8, 21));
