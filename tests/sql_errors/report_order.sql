SELECT device FROM readings WHERE CHANGED(temp) OVER (PARTITION BY device ORDER BY temp)
