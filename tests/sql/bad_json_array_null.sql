-- NULL in an array is no row.
CREATE TABLE t (
  id INT,
  name STRING,
  ts TIMESTAMP(3)
) WITH ('connector' = 'filesystem', 'path' = 'data/json_array_null.json', 'format' = 'json');
SELECT id, name, ts FROM t;
