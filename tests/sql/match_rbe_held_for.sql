-- Held for 30 seconds: told with the row that makes the time full.
CREATE TABLE pumps (
  device STRING,
  ts TIMESTAMP(3),
  temp DOUBLE,
  vib DOUBLE,
  WATERMARK FOR ts AS ts - INTERVAL '5' SECOND
) WITH ('connector' = 'filesystem', 'path' = 'data/pumps.csv', 'format' = 'csv', 'csv.null-literal' = '');

SELECT device, since, held_at FROM pumps MATCH_RECOGNIZE (
  PARTITION BY device ORDER BY ts
  MEASURES FIRST(hot.ts) AS since, held.ts AS held_at
  ONE ROW PER MATCH
  AFTER MATCH SKIP PAST LAST ROW
  PATTERN (hot+? held)
  DEFINE hot AS hot.temp > 80, held AS held.temp > 80 AND TIMESTAMPDIFF(SECOND, FIRST(hot.ts), held.ts) >= 30);
