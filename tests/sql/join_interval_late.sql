-- Late rows in an interval join of a table with itself: one still meets what has not been thrown away yet.
CREATE TABLE late (
  device STRING,
  n INT,
  ts TIMESTAMP(3),
  WATERMARK FOR ts AS ts - INTERVAL '5' SECOND
) WITH ('connector' = 'filesystem', 'path' = 'data/late.csv', 'format' = 'csv', 'csv.null-literal' = '');

SELECT x.n AS xn, y.n AS yn, x.device
FROM late x LEFT JOIN late y ON x.device = y.device AND y.n > x.n AND y.ts BETWEEN x.ts - INTERVAL '4' SECOND AND x.ts + INTERVAL '2' SECOND;
