-- Windows over matches, by MATCH_ROWTIME().
CREATE TABLE steps (
  device STRING, ts TIMESTAMP(3), n INT, k STRING, x DOUBLE,
  WATERMARK FOR ts AS ts - INTERVAL '5' SECOND
) WITH ('connector' = 'filesystem', 'path' = 'data/steps.csv', 'format' = 'csv', 'csv.null-literal' = '');

CREATE VIEW found AS SELECT * FROM steps MATCH_RECOGNIZE (
  PARTITION BY device ORDER BY ts
  MEASURES a.n AS a_n, a.ts AS a_ts, COUNT(b.n) AS bs, MATCH_ROWTIME() AS rt
  ONE ROW PER MATCH
  AFTER MATCH SKIP TO NEXT ROW
  PATTERN (a b+ c)
  DEFINE a AS a.k <> 'C', b AS b.k = 'B');

SELECT window_start, window_end, COUNT(*) AS found_n, SUM(bs) AS bs, MIN(a_n) AS a_n
FROM TABLE(TUMBLE(TABLE found, DESCRIPTOR(rt), INTERVAL '10' SECOND)) GROUP BY window_start, window_end;
