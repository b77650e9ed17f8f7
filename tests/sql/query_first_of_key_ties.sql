-- Equal times: the first row that came.
CREATE TABLE flow (
  id INT,
  k STRING,
  ts TIMESTAMP(3),
  v INT,
  state STRING,
  x DOUBLE,
  WATERMARK FOR ts AS ts
) WITH ('connector' = 'filesystem', 'path' = 'data/flow.csv', 'format' = 'csv', 'csv.null-literal' = '');
SELECT id, k, v FROM (SELECT *, ROW_NUMBER() OVER (PARTITION BY v ORDER BY ts) AS rn FROM flow) WHERE rn = 1;
