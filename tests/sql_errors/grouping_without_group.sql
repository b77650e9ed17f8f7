SELECT GROUPING(zone) AS g FROM readings
