-- Window join over HOP without another key.
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

SELECT l.id AS l_id, r.id AS r_id, l.window_end
FROM (SELECT * FROM TABLE(HOP(TABLE orders, DESCRIPTOR(ts), INTERVAL '5' SECOND, INTERVAL '10' SECOND))) l
JOIN (SELECT * FROM TABLE(HOP(TABLE acks, DESCRIPTOR(ts), INTERVAL '5' SECOND, INTERVAL '10' SECOND))) r
ON l.window_start = r.window_start AND l.window_end = r.window_end AND l.kind = r.kind
WHERE l.id < 12;
