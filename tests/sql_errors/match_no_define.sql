SELECT *
FROM readings MATCH_RECOGNIZE (
  ORDER BY ts
  MEASURES a.temp AS t
  PATTERN (a b)
)
