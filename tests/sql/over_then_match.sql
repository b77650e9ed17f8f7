-- OVER first, then MATCH_RECOGNIZE over its result.
CREATE TABLE flow (
  id INT,
  k STRING,
  ts TIMESTAMP(3),
  v INT,
  state STRING,
  x DOUBLE,
  WATERMARK FOR ts AS ts
) WITH ('connector' = 'filesystem', 'path' = 'data/flow.csv', 'format' = 'csv', 'csv.null-literal' = '');

CREATE VIEW o AS SELECT k, id, ts, COUNT(*) OVER w AS n, SUM(v) OVER w AS s FROM flow WINDOW w AS (PARTITION BY k ORDER BY ts RANGE BETWEEN INTERVAL '30' SECOND PRECEDING AND CURRENT ROW);

SELECT * FROM o MATCH_RECOGNIZE (PARTITION BY k ORDER BY ts MEASURES a.id AS a, b.id AS b, b.n - a.n AS dn ONE ROW PER MATCH AFTER MATCH SKIP PAST LAST ROW PATTERN (a b) DEFINE b AS b.s > a.s);
