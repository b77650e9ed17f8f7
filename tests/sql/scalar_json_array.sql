-- A line that is an array of objects has a row for each.
CREATE TABLE t (
  id INT,
  name STRING,
  ts TIMESTAMP(3)
) WITH ('connector' = 'filesystem', 'path' = 'data/json_array.json', 'format' = 'json');
SELECT id, name, ts FROM t;
