SELECT temp % 2 AS r FROM readings
