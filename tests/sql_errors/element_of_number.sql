SELECT vib[1] AS a FROM readings
