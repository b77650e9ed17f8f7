-- Orders of devices that had an ack in the same window, by EXISTS with two keys.
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

SELECT o.id, o.window_start FROM (SELECT * FROM TABLE(TUMBLE(TABLE orders, DESCRIPTOR(ts), INTERVAL '10' SECOND))) o WHERE EXISTS (SELECT * FROM (SELECT * FROM TABLE(TUMBLE(TABLE acks, DESCRIPTOR(ts), INTERVAL '10' SECOND))) a WHERE a.window_start = o.window_start AND a.window_end = o.window_end AND a.device = o.device AND a.kind = o.kind);
