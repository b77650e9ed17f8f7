SELECT *
FROM readings MATCH_RECOGNIZE (
  PARTITION BY device ORDER BY ts
  MEASURES SUM(a.temp) FILTER (WHERE a.ok) AS t
  PATTERN (a b)
  DEFINE a AS a.temp > 1
)
