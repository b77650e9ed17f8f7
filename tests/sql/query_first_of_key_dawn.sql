-- First rows around 1970.
CREATE TABLE dawn (
  id INT,
  k STRING,
  ts TIMESTAMP(3),
  v INT,
  WATERMARK FOR ts AS ts - INTERVAL '2' SECOND
) WITH ('connector' = 'filesystem', 'path' = 'data/dawn.csv', 'format' = 'csv', 'csv.null-literal' = '');
SELECT id, k, v FROM (SELECT *, ROW_NUMBER() OVER (PARTITION BY k ORDER BY ts) AS rn FROM dawn) WHERE 1 = rn;
