SELECT device FROM readings WHERE LAG(vib) OVER (ORDER BY ts) > 3
