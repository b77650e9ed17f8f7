-- A window over UNION ALL of two tables.
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

CREATE VIEW both_of_them AS SELECT ts, kind, n FROM orders UNION ALL SELECT ts, kind, id FROM acks;

SELECT window_start, kind, COUNT(*) AS c, SUM(n) AS s
FROM TABLE(TUMBLE(TABLE both_of_them, DESCRIPTOR(ts), INTERVAL '15' SECOND))
GROUP BY window_start, window_end, kind;
