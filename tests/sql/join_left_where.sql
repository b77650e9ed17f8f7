-- WHERE makes an inner join of an outer one.
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

SELECT o.id AS o_id, a.id AS a_id FROM orders o FULL JOIN acks a ON o.device = a.device AND a.ts BETWEEN o.ts AND o.ts + INTERVAL '5' SECOND WHERE a.n > 2 OR o.n > 2;
