SELECT INTERVAL '1' HOUR * zone AS a FROM readings
