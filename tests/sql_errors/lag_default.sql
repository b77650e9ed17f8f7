SELECT LAG(vib, 1, 'none') OVER (ORDER BY ts) AS a FROM readings
