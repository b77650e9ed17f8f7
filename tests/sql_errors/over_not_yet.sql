SELECT device, LAG(temp) OVER (PARTITION BY device ORDER BY ts) AS l FROM readings
