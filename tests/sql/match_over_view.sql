-- A match over a view that renames and computes.
CREATE TABLE beats (
  device STRING, ts TIMESTAMP(3), n INT, k STRING, x DOUBLE,
  WATERMARK FOR ts AS ts - INTERVAL '5' SECOND
) WITH ('connector' = 'filesystem', 'path' = 'data/beats.csv', 'format' = 'csv', 'csv.null-literal' = '');

CREATE VIEW hot AS SELECT ts AS at_ts, device AS dev, x * 2 AS heat, n FROM beats WHERE x IS NOT NULL;

SELECT * FROM hot MATCH_RECOGNIZE (
  PARTITION BY dev ORDER BY at_ts
  MEASURES FIRST(up.heat) AS h1, LAST(up.heat) AS h2, down.n AS n
  ONE ROW PER MATCH
  AFTER MATCH SKIP PAST LAST ROW
  PATTERN (up{2,} down)
  DEFINE up AS LAST(up.heat, 1) IS NULL OR up.heat > LAST(up.heat, 1), down AS down.heat < LAST(up.heat));
