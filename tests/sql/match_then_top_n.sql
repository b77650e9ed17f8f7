-- Window Top-N over the matches.
CREATE TABLE beats (
  device STRING, ts TIMESTAMP(3), n INT, k STRING, x DOUBLE,
  WATERMARK FOR ts AS ts - INTERVAL '5' SECOND
) WITH ('connector' = 'filesystem', 'path' = 'data/beats.csv', 'format' = 'csv', 'csv.null-literal' = '');

CREATE VIEW m AS SELECT * FROM beats MATCH_RECOGNIZE (PARTITION BY device ORDER BY ts MEASURES b.n - a.n AS dn, MATCH_ROWTIME() AS rt ONE ROW PER MATCH AFTER MATCH SKIP TO NEXT ROW PATTERN (a b) DEFINE b AS b.x > a.x);

SELECT device, dn, rn FROM (SELECT *, ROW_NUMBER() OVER (PARTITION BY window_start, window_end ORDER BY dn DESC, device) AS rn FROM TABLE(TUMBLE(TABLE m, DESCRIPTOR(rt), INTERVAL '1' MINUTE))) WHERE rn <= 2;
