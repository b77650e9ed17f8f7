CREATE TABLE orders (item STRING, ts TIMESTAMP(3), WATERMARK FOR ts AS ts)
  WITH ('connector' = 'filesystem', 'path' = 'o.csv', 'format' = 'csv');
CREATE TABLE prices (item STRING, region STRING, since TIMESTAMP(3), WATERMARK FOR since AS since, PRIMARY KEY (item, region) NOT ENFORCED)
  WITH ('connector' = 'filesystem', 'path' = 'p.csv', 'format' = 'csv');
SELECT o.item FROM orders AS o JOIN prices FOR SYSTEM_TIME AS OF o.ts AS p ON o.item = p.item;
