SELECT *
FROM readings MATCH_RECOGNIZE (
  PARTITION BY device ORDER BY ts
  MEASURES a.temp AS t
  PATTERN (a b)
  DEFINE a AS a.temp > NEXT(a.temp)
)
