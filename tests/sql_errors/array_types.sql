SELECT ARRAY[vib, zone] AS a FROM readings
