-- ROW_NUMBER with a lower and an upper limit, in a nested subquery.
CREATE TABLE samples (
  id INT,
  device STRING,
  ts TIMESTAMP(3),
  temp DOUBLE,
  WATERMARK FOR ts AS ts - INTERVAL '5' SECOND
) WITH ('connector' = 'filesystem', 'path' = 'data/samples.csv', 'format' = 'csv', 'csv.null-literal' = '');

SELECT device, id FROM (SELECT * FROM (SELECT device, id, ROW_NUMBER() OVER (PARTITION BY window_start, window_end, device ORDER BY id) AS rn, window_start, window_end FROM TABLE(TUMBLE(TABLE samples, DESCRIPTOR(ts), INTERVAL '1' MINUTE))) WHERE rn <= 3) WHERE rn >= 2;
