-- Two temporal joins in a row.
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

CREATE TABLE tariffs (
  id INT,
  device STRING,
  since TIMESTAMP(3),
  price INT,
  WATERMARK FOR since AS since - INTERVAL '5' SECOND,
  PRIMARY KEY (device) NOT ENFORCED
) WITH ('connector' = 'filesystem', 'path' = 'data/join_prices.csv', 'format' = 'csv', 'csv.null-literal' = '');

SELECT o.id, p.price, t.price AS tariff FROM orders o LEFT JOIN prices FOR SYSTEM_TIME AS OF o.ts AS p ON o.device = p.device LEFT JOIN tariffs FOR SYSTEM_TIME AS OF o.ts AS t ON o.device = t.device;
