-- LISTAGG with and without separator, NULLs, computed texts.
CREATE TABLE flow (
  id INT,
  k STRING,
  ts TIMESTAMP(3),
  v INT,
  state STRING,
  x DOUBLE,
  WATERMARK FOR ts AS ts
) WITH ('connector' = 'filesystem', 'path' = 'data/flow.csv', 'format' = 'csv', 'csv.null-literal' = '');
SELECT window_start, LISTAGG(state) AS states, LISTAGG(k || CAST(v AS STRING), '; ') AS kv, LISTAGG(state, '') AS run FROM TABLE(TUMBLE(TABLE flow, DESCRIPTOR(ts), INTERVAL '1' MINUTE)) GROUP BY window_start, window_end;
