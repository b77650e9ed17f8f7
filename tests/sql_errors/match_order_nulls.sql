SELECT *
FROM readings MATCH_RECOGNIZE (
  ORDER BY ts, temp NULLS LAST
  MEASURES a.temp AS t
  PATTERN (a b)
  DEFINE a AS a.temp > 1
)
