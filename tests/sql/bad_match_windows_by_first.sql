-- Windows over matches by the time of their first row: only MATCH_ROWTIME() is an event time.
CREATE TABLE steps (
  device STRING, ts TIMESTAMP(3), n INT, k STRING, x DOUBLE,
  WATERMARK FOR ts AS ts - INTERVAL '1' SECOND
) WITH ('connector' = 'filesystem', 'path' = 'data/steps.csv', 'format' = 'csv', 'csv.null-literal' = '');

CREATE VIEW found AS SELECT * FROM steps MATCH_RECOGNIZE (
  PARTITION BY device ORDER BY ts
  MEASURES a.n AS a_n, a.ts AS a_ts, COUNT(b.n) AS bs, MATCH_ROWTIME() AS rt
  ONE ROW PER MATCH
  AFTER MATCH SKIP TO NEXT ROW
  PATTERN (a b+ c)
  DEFINE a AS a.k <> 'C', b AS b.k = 'B');

SELECT window_start, window_end, device, COUNT(*) AS found_n, SUM(bs) AS bs
FROM TABLE(TUMBLE(TABLE found, DESCRIPTOR(a_ts), INTERVAL '2' SECOND)) GROUP BY window_start, window_end, device;
