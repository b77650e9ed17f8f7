-- Bounds that are open on one side, written the other way round, with arithmetic on the left.
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

SELECT o.id, a.id AS aid FROM orders o JOIN acks a ON o.device = a.device AND o.ts > a.ts - INTERVAL '5' SECOND AND a.ts + INTERVAL '2' SECOND >= o.ts;
