-- Three tables: an interval join of an interval join.
CREATE TABLE orders (
  id INT,
  device STRING,
  ts TIMESTAMP(3),
  n INT,
  kind STRING,
  WATERMARK FOR ts AS ts - INTERVAL '5' SECOND
) WITH ('connector' = 'filesystem', 'path' = 'data/join_orders.csv', 'format' = 'csv', 'csv.null-literal' = '');

CREATE TABLE acks (
  id INT,
  device STRING,
  ts TIMESTAMP(3),
  n INT,
  kind STRING,
  WATERMARK FOR ts AS ts - INTERVAL '5' SECOND
) WITH ('connector' = 'filesystem', 'path' = 'data/join_acks.csv', 'format' = 'csv', 'csv.null-literal' = '');

CREATE TABLE prices (
  id INT,
  device STRING,
  since TIMESTAMP(3),
  price INT,
  WATERMARK FOR since AS since - INTERVAL '5' SECOND,
  PRIMARY KEY (device) NOT ENFORCED
) WITH ('connector' = 'filesystem', 'path' = 'data/join_prices.csv', 'format' = 'csv', 'csv.null-literal' = '');

SELECT o.id AS o_id, a.id AS a_id, p.id AS p_id, p.price
FROM orders o JOIN acks a ON o.device = a.device AND a.ts BETWEEN o.ts AND o.ts + INTERVAL '5' SECOND
JOIN prices p ON p.device = a.device AND p.since BETWEEN a.ts - INTERVAL '15' SECOND AND a.ts;
