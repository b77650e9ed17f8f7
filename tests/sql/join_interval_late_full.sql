-- The same, FULL, with a wider interval.
CREATE TABLE late (
  device STRING,
  n INT,
  ts TIMESTAMP(3),
  WATERMARK FOR ts AS ts - INTERVAL '5' SECOND
) WITH ('connector' = 'filesystem', 'path' = 'data/late.csv', 'format' = 'csv', 'csv.null-literal' = '');

SELECT x.n AS xn, y.n AS yn, x.ts AS xt, y.ts AS yt
FROM late x FULL JOIN late y ON x.device = y.device AND x.n <> y.n AND y.ts BETWEEN x.ts + INTERVAL '1' SECOND AND x.ts + INTERVAL '12' SECOND;
