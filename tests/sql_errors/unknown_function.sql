SELECT UPER(zone) FROM readings
