SELECT *
FROM readings MATCH_RECOGNIZE (
  PARTITION BY device ORDER BY ts
  MEASURES LAST(a.temp, a.vib) AS t
  PATTERN (a b)
  DEFINE a AS a.temp > 1
)
