-- GROUP BY HOP(…) with late rows.
CREATE TABLE late (
  device STRING,
  n INT,
  ts TIMESTAMP(3),
  WATERMARK FOR ts AS ts - INTERVAL '5' SECOND
) WITH ('connector' = 'filesystem', 'path' = 'data/late.csv', 'format' = 'csv', 'csv.null-literal' = '');
SELECT device, HOP_START(ts, INTERVAL '10' SECOND, INTERVAL '30' SECOND) AS s, HOP_END(ts, INTERVAL '10' SECOND, INTERVAL '30' SECOND) AS e, HOP_ROWTIME(ts, INTERVAL '10' SECOND, INTERVAL '30' SECOND) AS r, COUNT(*) AS n FROM late GROUP BY device, HOP(ts, INTERVAL '10' SECOND, INTERVAL '30' SECOND);
