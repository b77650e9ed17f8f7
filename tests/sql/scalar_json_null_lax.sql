-- JSON null, lax.
CREATE TABLE machines (
  device STRING,
  hall STRING,
  owner STRING,
  max_temp DOUBLE
) WITH ('connector' = 'filesystem', 'path' = 'data/machines.csv', 'format' = 'csv', 'csv.null-literal' = '');

SELECT device, JSON_VALUE(j, 'lax $.a' DEFAULT 'e' ON EMPTY DEFAULT 'r' ON ERROR) AS v1, JSON_VALUE(j, 'lax $.a' DEFAULT 'e' ON EMPTY) AS v3, JSON_VALUE(j, 'lax $.a' RETURNING INTEGER DEFAULT -1 ON EMPTY) AS v5, JSON_VALUE(j, 'lax $.zz' RETURNING INTEGER DEFAULT -1 ON EMPTY) AS v6
FROM (SELECT device, CASE WHEN owner IS NULL THEN '{"a":null}' WHEN hall = 'hall-D' THEN '{"b":1}' WHEN hall = 'hall-B' THEN '{"a":5}' ELSE '{"a":[null]}' END AS j FROM machines);
