SELECT *
FROM readings MATCH_RECOGNIZE (
  PARTITION BY device ORDER BY ts
  MEASURES a.temp
  PATTERN (a b)
  DEFINE a AS a.temp > 1
)
