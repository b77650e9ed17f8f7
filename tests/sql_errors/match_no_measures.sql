SELECT *
FROM readings MATCH_RECOGNIZE (
  ORDER BY ts
  PATTERN (a b)
  DEFINE a AS a.temp > 1
)
