-- A match over the results of windows: two windows in a row with a rising mean.
CREATE TABLE beats (
  device STRING, ts TIMESTAMP(3), n INT, k STRING, x DOUBLE,
  WATERMARK FOR ts AS ts - INTERVAL '5' SECOND
) WITH ('connector' = 'filesystem', 'path' = 'data/beats.csv', 'format' = 'csv', 'csv.null-literal' = '');

CREATE VIEW means AS SELECT device, window_time AS wt, AVG(x) AS mean, COUNT(*) AS c
FROM TABLE(TUMBLE(TABLE beats, DESCRIPTOR(ts), INTERVAL '10' SECOND)) GROUP BY device, window_start, window_end, window_time;

SELECT * FROM means MATCH_RECOGNIZE (
  PARTITION BY device ORDER BY wt
  MEASURES low.mean AS m1, high.mean AS m2, high.wt AS wt
  ONE ROW PER MATCH
  AFTER MATCH SKIP TO NEXT ROW
  PATTERN (low high)
  DEFINE high AS high.mean > low.mean + 5);
