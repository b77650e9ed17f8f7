SELECT ARRAY[vib][0] AS a FROM readings
