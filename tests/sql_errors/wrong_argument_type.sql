SELECT UPPER(vib), SQRT(zone) FROM readings
