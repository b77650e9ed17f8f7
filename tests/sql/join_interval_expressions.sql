-- Interval join by expressions as keys, and conditions in WHERE.
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

SELECT o.id AS o_id, a.id AS a_id, UPPER(o.kind) AS k
FROM orders AS o JOIN acks AS a ON UPPER(o.kind) = UPPER(a.kind) AND o.n + 1 = a.n + 1
WHERE a.ts >= o.ts - INTERVAL '30' SECOND AND a.ts < o.ts + INTERVAL '1' MINUTE AND o.id < 30 AND a.id > 5 AND o.id + a.id < 60;
