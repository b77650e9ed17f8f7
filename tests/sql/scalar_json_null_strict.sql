-- JSON null, strict.
CREATE TABLE machines (
  device STRING,
  hall STRING,
  owner STRING,
  max_temp DOUBLE
) WITH ('connector' = 'filesystem', 'path' = 'data/machines.csv', 'format' = 'csv', 'csv.null-literal' = '');

SELECT device, JSON_VALUE(j, 'strict $.a' DEFAULT 'e' ON EMPTY DEFAULT 'r' ON ERROR) AS v2, JSON_VALUE(j, '$.a' DEFAULT 'e' ON EMPTY) AS v4, JSON_VALUE(j, '$.a' DEFAULT 'r' ON ERROR) AS v5, JSON_VALUE(j, '$.a') AS v8, JSON_VALUE(j, '$.a' RETURNING DOUBLE) AS v9
FROM (SELECT device, CASE WHEN owner IS NULL THEN '{"a":null}' WHEN hall = 'hall-D' THEN '{"b":1}' WHEN hall = 'hall-B' THEN '{"a":5.5}' ELSE '{"a":[null]}' END AS j FROM machines);
