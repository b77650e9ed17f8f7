-- FIRST_VALUE and LAST_VALUE in a frame by rows.
CREATE TABLE flow (
  id INT,
  k STRING,
  ts TIMESTAMP(3),
  v INT,
  state STRING,
  x DOUBLE,
  WATERMARK FOR ts AS ts
) WITH ('connector' = 'filesystem', 'path' = 'data/flow.csv', 'format' = 'csv', 'csv.null-literal' = '');
SELECT id, k, FIRST_VALUE(v) OVER w AS f, LAST_VALUE(v) OVER w AS l, FIRST_VALUE(state) OVER w AS fs, LAST_VALUE(state) OVER w AS ls FROM flow WINDOW w AS (PARTITION BY k ORDER BY ts ROWS BETWEEN 2 PRECEDING AND CURRENT ROW);
