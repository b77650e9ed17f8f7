-- JSON null, JSON_QUERY.
CREATE TABLE machines (
  device STRING,
  hall STRING,
  owner STRING,
  max_temp DOUBLE
) WITH ('connector' = 'filesystem', 'path' = 'data/machines.csv', 'format' = 'csv', 'csv.null-literal' = '');

SELECT device, JSON_QUERY(j, 'lax $.a' EMPTY ARRAY ON EMPTY) AS q1, JSON_QUERY(j, 'strict $.a' EMPTY ARRAY ON EMPTY) AS q2, JSON_QUERY(j, 'lax $.a' EMPTY ARRAY ON EMPTY EMPTY OBJECT ON ERROR) AS q4, JSON_QUERY(j, 'strict $.a' EMPTY ARRAY ON EMPTY EMPTY OBJECT ON ERROR) AS q5, JSON_EXISTS(j, 'lax $.a') AS e1, JSON_EXISTS(j, 'strict $.a') AS e2
FROM (SELECT device, CASE WHEN owner IS NULL THEN '{"a":null}' WHEN hall = 'hall-D' THEN '{"b":1}' WHEN hall = 'hall-B' THEN '{"a":{"b":5}}' ELSE '{"a":[null]}' END AS j FROM machines);
