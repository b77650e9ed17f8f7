-- Temporal join below a window with keys from the right.
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

CREATE VIEW j AS SELECT o.ts, p.price FROM orders o LEFT JOIN prices FOR SYSTEM_TIME AS OF o.ts AS p ON o.device = p.device;

SELECT window_start, price, COUNT(*) AS n FROM TABLE(TUMBLE(TABLE j, DESCRIPTOR(ts), INTERVAL '10' SECOND)) GROUP BY window_start, window_end, price;
