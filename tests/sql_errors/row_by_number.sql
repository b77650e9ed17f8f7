SELECT ROW(vib, zone)[1] AS a FROM readings
