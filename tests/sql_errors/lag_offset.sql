SELECT LAG(vib, zone) OVER (ORDER BY ts) AS a FROM readings
