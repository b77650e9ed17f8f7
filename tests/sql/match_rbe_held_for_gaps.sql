-- Held for 20 seconds, where a silence of more than 5 seconds is a break.
CREATE TABLE pumps (
  device STRING,
  ts TIMESTAMP(3),
  temp DOUBLE,
  vib DOUBLE,
  WATERMARK FOR ts AS ts - INTERVAL '5' SECOND
) WITH ('connector' = 'filesystem', 'path' = 'data/pumps.csv', 'format' = 'csv', 'csv.null-literal' = '');

SELECT * FROM pumps MATCH_RECOGNIZE (
  PARTITION BY device ORDER BY ts
  MEASURES FIRST(hot.ts) AS since, held.ts AS held_at, COUNT(hot.ts) + 1 AS n
  ONE ROW PER MATCH
  AFTER MATCH SKIP PAST LAST ROW
  PATTERN (hot+? held)
  DEFINE hot AS hot.temp > 60 AND (LAST(hot.ts, 1) IS NULL OR hot.ts <= LAST(hot.ts, 1) + INTERVAL '5' SECOND), held AS held.temp > 60 AND held.ts <= LAST(hot.ts) + INTERVAL '5' SECOND AND held.ts >= FIRST(hot.ts) + INTERVAL '20' SECOND);
