-- The two keys with the largest sums in each window.
CREATE TABLE flow (
  id INT,
  k STRING,
  ts TIMESTAMP(3),
  v INT,
  state STRING,
  x DOUBLE,
  WATERMARK FOR ts AS ts
) WITH ('connector' = 'filesystem', 'path' = 'data/flow.csv', 'format' = 'csv', 'csv.null-literal' = '');
SELECT window_start, k, s, rn FROM (
  SELECT *, ROW_NUMBER() OVER (PARTITION BY window_start, window_end ORDER BY s DESC, k) AS rn FROM (
    SELECT window_start, window_end, k, SUM(v) AS s FROM TABLE(TUMBLE(TABLE flow, DESCRIPTOR(ts), INTERVAL '1' MINUTE)) GROUP BY window_start, window_end, k))
WHERE rn <= 2;
