SELECT UPPER(device).name AS n FROM readings
