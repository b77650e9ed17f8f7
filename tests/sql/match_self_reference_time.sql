-- Conditions on times: silence before a row, and its length as a measure.
CREATE TABLE beats (
  device STRING, ts TIMESTAMP(3), n INT, k STRING, x DOUBLE,
  WATERMARK FOR ts AS ts - INTERVAL '5' SECOND
) WITH ('connector' = 'filesystem', 'path' = 'data/beats.csv', 'format' = 'csv', 'csv.null-literal' = '');

SELECT * FROM beats MATCH_RECOGNIZE (PARTITION BY device ORDER BY ts MEASURES a.ts AS silent_from, b.ts AS back_at, TIMESTAMPDIFF(SECOND, a.ts, b.ts) AS secs ONE ROW PER MATCH AFTER MATCH SKIP TO NEXT ROW PATTERN (a b) DEFINE b AS b.ts > a.ts + INTERVAL '5' SECOND);
