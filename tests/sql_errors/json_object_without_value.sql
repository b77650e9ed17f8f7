SELECT JSON_OBJECT('device', device) AS a FROM readings
