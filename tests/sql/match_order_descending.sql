-- DESC in ORDER BY, with NULLs last.
CREATE TABLE ties (
  device STRING, ts TIMESTAMP(3), n INT, k STRING, x DOUBLE,
  WATERMARK FOR ts AS ts - INTERVAL '5' SECOND
) WITH ('connector' = 'filesystem', 'path' = 'data/ties.csv', 'format' = 'csv', 'csv.null-literal' = '');

SELECT * FROM ties MATCH_RECOGNIZE (
  PARTITION BY device ORDER BY ts, x DESC, n ASC
  MEASURES a.n AS a_n, b.n AS b_n, c.n AS c_n
  ONE ROW PER MATCH
  AFTER MATCH SKIP PAST LAST ROW
  PATTERN (a b c)
  DEFINE a AS TRUE);
