-- An array that is an element of an array is no row.
CREATE TABLE t (
  id INT,
  name STRING,
  ts TIMESTAMP(3)
) WITH ('connector' = 'filesystem', 'path' = 'data/json_array_inner.json', 'format' = 'json');
SELECT id, name, ts FROM t;
