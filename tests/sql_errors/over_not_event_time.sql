SELECT device, LAG(temp) OVER (PARTITION BY device ORDER BY temp) AS l FROM readings
