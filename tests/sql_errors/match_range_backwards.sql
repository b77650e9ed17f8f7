SELECT *
FROM readings MATCH_RECOGNIZE (
  PARTITION BY device ORDER BY ts
  MEASURES a.temp AS t
  PATTERN (a b{3,2} c)
  DEFINE a AS a.temp > 1
)
