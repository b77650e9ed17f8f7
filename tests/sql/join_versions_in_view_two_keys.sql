-- Temporal join with a deduplicated view by two keys, one of them renamed.
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

CREATE VIEW v AS SELECT id AS vid, device AS dev, kind, ts AS since FROM (SELECT *, ROW_NUMBER() OVER (PARTITION BY kind, device ORDER BY ts DESC) AS rn FROM acks) WHERE rn = 1;

SELECT o.id, v.vid, v.since FROM orders o LEFT JOIN v FOR SYSTEM_TIME AS OF o.ts ON v.dev = o.device AND o.kind = v.kind;
