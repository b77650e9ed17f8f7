SELECT ARRAY_JOIN(ARRAY[vib], ',') AS a FROM readings
