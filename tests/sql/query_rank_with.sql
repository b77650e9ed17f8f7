-- ROW_NUMBER in WITH, its limit outside, further columns between.
CREATE TABLE samples (
  id INT,
  device STRING,
  ts TIMESTAMP(3),
  temp DOUBLE,
  WATERMARK FOR ts AS ts - INTERVAL '5' SECOND
) WITH ('connector' = 'filesystem', 'path' = 'data/samples.csv', 'format' = 'csv', 'csv.null-literal' = '');

WITH numbered AS (SELECT device, id, ts, ROW_NUMBER() OVER (PARTITION BY device ORDER BY ts) AS rn FROM samples), named AS (SELECT CONCAT('d-', device) AS name, id, rn AS nr FROM numbered WHERE id > 1) SELECT name, id FROM named WHERE nr = 1;
