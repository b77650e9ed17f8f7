SELECT LENGTH(zone), NVL(zone, 'x') FROM readings
