-- Two recognitions of one table, UNION ALL of both.
CREATE TABLE steps (
  device STRING, ts TIMESTAMP(3), n INT, k STRING, x DOUBLE,
  WATERMARK FOR ts AS ts - INTERVAL '5' SECOND
) WITH ('connector' = 'filesystem', 'path' = 'data/steps.csv', 'format' = 'csv', 'csv.null-literal' = '');

SELECT device, 'up' AS kind, t FROM steps MATCH_RECOGNIZE (PARTITION BY device ORDER BY ts MEASURES b.ts AS t ONE ROW PER MATCH AFTER MATCH SKIP PAST LAST ROW PATTERN (a b) DEFINE b AS b.n > a.n + 2) UNION ALL SELECT device, 'down', t FROM steps MATCH_RECOGNIZE (PARTITION BY device ORDER BY ts MEASURES b.ts AS t ONE ROW PER MATCH AFTER MATCH SKIP PAST LAST ROW PATTERN (a b) DEFINE b AS b.n < a.n - 2);
