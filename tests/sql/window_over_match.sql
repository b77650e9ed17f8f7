-- A session window over matches.
CREATE TABLE beats (
  device STRING, ts TIMESTAMP(3), n INT, k STRING, x DOUBLE,
  WATERMARK FOR ts AS ts - INTERVAL '5' SECOND
) WITH ('connector' = 'filesystem', 'path' = 'data/beats.csv', 'format' = 'csv', 'csv.null-literal' = '');

CREATE VIEW m AS SELECT * FROM beats MATCH_RECOGNIZE (PARTITION BY device ORDER BY ts MEASURES b.x - a.x AS rise, MATCH_ROWTIME() AS rt ONE ROW PER MATCH AFTER MATCH SKIP TO NEXT ROW PATTERN (a b) DEFINE b AS b.x > a.x);

SELECT device, window_start, COUNT(*) AS n, MAX(rise) AS rise FROM TABLE(SESSION(TABLE m PARTITION BY device, DESCRIPTOR(rt), INTERVAL '10' SECOND)) GROUP BY device, window_start, window_end;
