-- CUBE within a window, with GROUPING and GROUPING_ID.
CREATE TABLE flow (
  id INT,
  k STRING,
  ts TIMESTAMP(3),
  v INT,
  state STRING,
  x DOUBLE,
  WATERMARK FOR ts AS ts
) WITH ('connector' = 'filesystem', 'path' = 'data/flow.csv', 'format' = 'csv', 'csv.null-literal' = '');
SELECT window_start, k, state, GROUPING(k) AS gk, GROUPING(state) AS gs, GROUPING_ID(k, state) AS gid, COUNT(*) AS n FROM TABLE(TUMBLE(TABLE flow, DESCRIPTOR(ts), INTERVAL '2' MINUTE)) GROUP BY window_start, window_end, CUBE (k, state);
