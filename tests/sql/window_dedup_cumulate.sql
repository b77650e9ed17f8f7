-- Deduplication over cumulating windows.
CREATE TABLE flow (
  id INT,
  k STRING,
  ts TIMESTAMP(3),
  v INT,
  state STRING,
  x DOUBLE,
  WATERMARK FOR ts AS ts
) WITH ('connector' = 'filesystem', 'path' = 'data/flow.csv', 'format' = 'csv', 'csv.null-literal' = '');
SELECT k, window_start, window_end, id FROM (
  SELECT *, ROW_NUMBER() OVER (PARTITION BY window_start, window_end, k ORDER BY ts DESC) AS rn FROM TABLE(CUMULATE(TABLE flow, DESCRIPTOR(ts), INTERVAL '1' MINUTE, INTERVAL '2' MINUTE)))
WHERE rn = 1;
