SELECT device, SUM(vib) OVER (PARTITION BY device, zone ORDER BY ts ROWS 9 PRECEDING) AS s FROM readings
