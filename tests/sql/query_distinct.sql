-- SELECT DISTINCT: NULL is a value of its own.
CREATE TABLE orders (
  id INT,
  device STRING,
  ts TIMESTAMP(3),
  n INT,
  kind STRING,
  WATERMARK FOR ts AS ts - INTERVAL '5' SECOND
) WITH ('connector' = 'filesystem', 'path' = 'data/join_orders.csv', 'format' = 'csv', 'csv.null-literal' = '');

SELECT DISTINCT device, kind FROM orders WHERE n IS NULL OR n > 1;
