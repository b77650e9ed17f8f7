-- Statistics over a range of small doubles and of their DECIMALs.
CREATE TABLE samples (
  id INT,
  device STRING,
  ts TIMESTAMP(3),
  temp DOUBLE,
  WATERMARK FOR ts AS ts - INTERVAL '5' SECOND
) WITH ('connector' = 'filesystem', 'path' = 'data/samples.csv', 'format' = 'csv', 'csv.null-literal' = '');

SELECT id, STDDEV_SAMP(temp) OVER w AS s, VAR_POP(CAST(temp AS DECIMAL(6, 2))) OVER w AS v, STDDEV_POP(CAST(temp AS INT)) OVER w AS i FROM samples WINDOW w AS (PARTITION BY device ORDER BY ts RANGE BETWEEN INTERVAL '2' MINUTE PRECEDING AND CURRENT ROW);
