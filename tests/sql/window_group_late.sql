-- GROUP BY TUMBLE(…): late rows.
CREATE TABLE late (
  device STRING,
  n INT,
  ts TIMESTAMP(3),
  WATERMARK FOR ts AS ts - INTERVAL '5' SECOND
) WITH ('connector' = 'filesystem', 'path' = 'data/late.csv', 'format' = 'csv', 'csv.null-literal' = '');
SELECT device, TUMBLE_START(ts, INTERVAL '5' SECOND) AS s, COUNT(*) AS n, LISTAGG(CAST(n AS STRING)) AS l FROM late GROUP BY TUMBLE(ts, INTERVAL '5' SECOND), device;
