-- Arrays of objects with values of other types.
CREATE TABLE t (
  id INT,
  name STRING,
  ts TIMESTAMP(3)
) WITH ('connector' = 'filesystem', 'path' = 'data/json_array_types.json', 'format' = 'json');
SELECT id, name, ts FROM t;
