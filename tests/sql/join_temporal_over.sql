-- Temporal join, then OVER and a filter.
CREATE TABLE orders (
  id INT,
  device STRING,
  ts TIMESTAMP(3),
  n INT,
  kind STRING,
  WATERMARK FOR ts AS ts - INTERVAL '5' SECOND
) WITH ('connector' = 'filesystem', 'path' = 'data/join_orders.csv', 'format' = 'csv', 'csv.null-literal' = '');

CREATE TABLE prices (
  id INT,
  device STRING,
  since TIMESTAMP(3),
  price INT,
  WATERMARK FOR since AS since - INTERVAL '5' SECOND,
  PRIMARY KEY (device) NOT ENFORCED
) WITH ('connector' = 'filesystem', 'path' = 'data/join_prices.csv', 'format' = 'csv', 'csv.null-literal' = '');

SELECT id, s FROM (SELECT o.id, SUM(o.n * p.price) OVER (PARTITION BY o.device ORDER BY o.ts ROWS BETWEEN 2 PRECEDING AND CURRENT ROW) AS s FROM orders o JOIN prices FOR SYSTEM_TIME AS OF o.ts AS p ON o.device = p.device) WHERE s > 100;
