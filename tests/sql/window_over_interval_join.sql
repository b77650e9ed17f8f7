-- A HOP window over an interval join's result.
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

CREATE VIEW j AS SELECT o.device, o.ts, TIMESTAMPDIFF(SECOND, o.ts, a.ts) AS delay FROM orders o JOIN acks a ON o.device = a.device AND a.ts BETWEEN o.ts AND o.ts + INTERVAL '6' SECOND;

SELECT window_start, device, COUNT(*) AS n, AVG(delay) AS mean FROM TABLE(HOP(TABLE j, DESCRIPTOR(ts), INTERVAL '5' SECOND, INTERVAL '15' SECOND)) GROUP BY window_start, window_end, device;
