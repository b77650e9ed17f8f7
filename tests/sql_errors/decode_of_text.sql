SELECT DECODE(zone, 'UTF-8') AS a FROM readings
