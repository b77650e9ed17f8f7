-- WITHIN and SKIP TO FIRST of a loop variable.
CREATE TABLE beats (
  device STRING, ts TIMESTAMP(3), n INT, k STRING, x DOUBLE,
  WATERMARK FOR ts AS ts - INTERVAL '5' SECOND
) WITH ('connector' = 'filesystem', 'path' = 'data/beats.csv', 'format' = 'csv', 'csv.null-literal' = '');

SELECT * FROM beats MATCH_RECOGNIZE (PARTITION BY device ORDER BY ts MEASURES s.n AS sn, FIRST(m.n) AS m1, LAST(m.n) AS m2, e.n AS en, TIMESTAMPDIFF(SECOND, s.ts, e.ts) AS secs ONE ROW PER MATCH AFTER MATCH SKIP TO FIRST m PATTERN (s m+ e) WITHIN INTERVAL '20' SECOND DEFINE m AS m.x > s.x, e AS e.x < s.x);
