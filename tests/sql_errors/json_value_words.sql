SELECT JSON_VALUE(zone, '$.a' DEFALT 'x' ON EMPTY) AS a FROM readings
