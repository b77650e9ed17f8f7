SELECT JSON_QUERY(zone, '$.a' DEFAULT 'x' ON EMPTY) AS a FROM readings
