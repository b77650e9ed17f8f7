SELECT device, ROW_NUMBER() OVER (PARTITION BY device ORDER BY temp DESC) AS rn FROM readings
