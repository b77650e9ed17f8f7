-- LEFT with a condition on the left side alone and one on the right alone.
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

SELECT o.id, a.id AS aid FROM orders o LEFT JOIN acks a ON o.device = a.device AND a.ts BETWEEN o.ts - INTERVAL '2' SECOND AND o.ts + INTERVAL '8' SECOND AND o.n > 1 AND a.kind <> 'c';
