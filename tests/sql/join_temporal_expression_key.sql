-- Temporal join whose left key is an expression.
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

SELECT o.id, p.price FROM orders o LEFT JOIN prices FOR SYSTEM_TIME AS OF o.ts AS p ON UPPER(o.device) = UPPER(p.device) AND p.device = LOWER(o.device);
