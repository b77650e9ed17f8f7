-- Window join of rows with a residual that is no equality, LEFT.
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

SELECT o.id AS o, a.id AS a, o.window_start, o.n, a.n AS an FROM (
  SELECT * FROM TABLE(TUMBLE(TABLE orders, DESCRIPTOR(ts), INTERVAL '10' SECOND))) o
LEFT JOIN (SELECT * FROM TABLE(TUMBLE(TABLE acks, DESCRIPTOR(ts), INTERVAL '10' SECOND))) a
ON o.window_start = a.window_start AND o.window_end = a.window_end AND o.device = a.device AND a.n >= o.n;
