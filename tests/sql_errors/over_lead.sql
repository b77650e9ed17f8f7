SELECT LEAD(vib) OVER (ORDER BY ts) AS a FROM readings
