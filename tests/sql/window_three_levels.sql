-- Three windows above each other.
CREATE TABLE flow (
  id INT,
  k STRING,
  ts TIMESTAMP(3),
  v INT,
  state STRING,
  x DOUBLE,
  WATERMARK FOR ts AS ts
) WITH ('connector' = 'filesystem', 'path' = 'data/flow.csv', 'format' = 'csv', 'csv.null-literal' = '');
WITH a AS (SELECT window_time AS wt, k, SUM(v) AS s FROM TABLE(TUMBLE(TABLE flow, DESCRIPTOR(ts), INTERVAL '10' SECOND)) GROUP BY window_start, window_end, window_time, k),
 b AS (SELECT window_time AS wt, k, MAX(s) AS m FROM TABLE(TUMBLE(TABLE a, DESCRIPTOR(wt), INTERVAL '30' SECOND)) GROUP BY window_start, window_end, window_time, k)
SELECT window_start, COUNT(*) AS n, SUM(m) AS m FROM TABLE(TUMBLE(TABLE b, DESCRIPTOR(wt), INTERVAL '2' MINUTE)) GROUP BY window_start, window_end;
