SELECT BITAND(temp, 3) AS a FROM readings
