SELECT device, SUM(vib) OVER (PARTITION BY device) AS s FROM readings
