SELECT *
FROM readings MATCH_RECOGNIZE (
  PARTITION BY device ORDER BY ts
  MEASURES a.temp AS t
  PATTERN (a+ b? c)
  DEFINE a AS a.temp > 1
)
