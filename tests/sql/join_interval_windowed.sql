-- A window over the rows of an interval join: the watermark is held back.
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

CREATE VIEW pairs AS SELECT o.device, o.ts, TIMESTAMPDIFF(SECOND, o.ts, a.ts) AS late_ms
FROM orders o JOIN acks a ON o.device = a.device AND a.ts BETWEEN o.ts - INTERVAL '20' SECOND AND o.ts + INTERVAL '20' SECOND;

SELECT window_start, device, COUNT(*) AS c, SUM(late_ms) AS s FROM TABLE(TUMBLE(TABLE pairs, DESCRIPTOR(ts), INTERVAL '10' SECOND)) GROUP BY window_start, window_end, device;
