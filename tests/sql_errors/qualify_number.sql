SELECT device FROM readings QUALIFY LAG(temp) OVER (PARTITION BY device ORDER BY ts)
