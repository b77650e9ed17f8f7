-- A match waits for an earlier run, and MATCH_ROWTIME() is when it comes out.
CREATE TABLE steps (
  device STRING, ts TIMESTAMP(3), n INT, k STRING, x DOUBLE,
  WATERMARK FOR ts AS ts - INTERVAL '5' SECOND
) WITH ('connector' = 'filesystem', 'path' = 'data/steps.csv', 'format' = 'csv', 'csv.null-literal' = '');

SELECT * FROM steps MATCH_RECOGNIZE (
  PARTITION BY device ORDER BY ts
  MEASURES a.n AS a_n, LAST(c.n) AS c_n, MATCH_ROWTIME() AS rt, c.ts AS c_ts
  ONE ROW PER MATCH
  AFTER MATCH SKIP TO NEXT ROW
  PATTERN (a b+? c)
  DEFINE a AS a.k = 'A' OR a.k = 'B', b AS b.k <> 'Z', c AS c.k = a.k AND c.n > a.n + 3);
