-- HOP with a negative offset.
CREATE TABLE flow (
  id INT,
  k STRING,
  ts TIMESTAMP(3),
  v INT,
  state STRING,
  x DOUBLE,
  WATERMARK FOR ts AS ts
) WITH ('connector' = 'filesystem', 'path' = 'data/flow.csv', 'format' = 'csv', 'csv.null-literal' = '');

SELECT window_start, window_end, k, SUM(v) AS s, COUNT(DISTINCT state) AS states, STDDEV_SAMP(x) AS sd
FROM TABLE(HOP(TABLE flow, DESCRIPTOR(ts), INTERVAL '15' SECOND, INTERVAL '45' SECOND, INTERVAL '-7' SECOND))
GROUP BY window_start, window_end, k;
