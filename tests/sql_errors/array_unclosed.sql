SELECT ARRAY[vib, 3 AS a FROM readings
