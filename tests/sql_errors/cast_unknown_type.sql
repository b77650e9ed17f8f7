SELECT CAST(vib AS TEXT) AS t FROM readings
