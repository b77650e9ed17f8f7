-- Interval join of a table with itself.
CREATE TABLE orders (
  id INT,
  device STRING,
  ts TIMESTAMP(3),
  n INT,
  kind STRING,
  WATERMARK FOR ts AS ts - INTERVAL '5' SECOND
) WITH ('connector' = 'filesystem', 'path' = 'data/join_orders.csv', 'format' = 'csv', 'csv.null-literal' = '');

SELECT x.id AS x_id, y.id AS y_id, x.device
FROM orders x JOIN orders y ON x.device = y.device AND x.id <> y.id AND y.ts BETWEEN x.ts AND x.ts + INTERVAL '5' SECOND;
