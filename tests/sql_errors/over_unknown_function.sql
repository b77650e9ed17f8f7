SELECT UPPER(zone) OVER (ORDER BY ts) AS a FROM readings
