SELECT device FROM readings WHERE CHANGED(temp) OVER (PARTITION BY device, zone ORDER BY ts)
