-- Temporal join with a deduplicated view of a filtered table.
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

CREATE VIEW v AS SELECT * FROM (SELECT *, ROW_NUMBER() OVER (PARTITION BY device ORDER BY ts DESC) AS rn FROM acks WHERE kind <> 'c') WHERE rn = 1;

SELECT o.id, v.id AS vid, v.kind FROM orders o JOIN v FOR SYSTEM_TIME AS OF o.ts ON o.device = v.device WHERE v.n > 1;
