SELECT * FROM readings MATCH_RECOGNIZE (
  PARTITION BY device ORDER BY ts
  MEASURES FIRST(hot.ts) AS since, LAST(hot.ts) AS until_ts, COUNT(hot.heat) AS n, AVG(hot.heat) AS mean
  AFTER MATCH SKIP PAST LAST ROW
  PATTERN (hot+ cool)
  DEFINE hot AS hot.heat > 80, cool AS cool.heat <= 80 AND TIMESTAMPDIFF(SECOND, FIRST(hot.ts), LAST(hot.ts)) > 30)
