SELECT device, SUM(temp) OVER (PARTITION BY device ORDER BY ts) AS total FROM readings WHERE CHANGED(temp)
