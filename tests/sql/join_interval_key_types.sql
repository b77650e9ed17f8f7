-- Keys of different types: INT with BIGINT and DOUBLE.
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

SELECT o.id, a.id AS aid FROM orders o JOIN (SELECT id, ts, CAST(n AS BIGINT) AS n FROM acks) a ON o.n = a.n AND a.ts BETWEEN o.ts - INTERVAL '4' SECOND AND o.ts + INTERVAL '4' SECOND;
