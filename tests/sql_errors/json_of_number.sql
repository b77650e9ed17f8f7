SELECT JSON_EXISTS(vib, '$.a') AS a FROM readings
