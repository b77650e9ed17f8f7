SELECT device, COUNT(*) AS n FROM readings GROUP BY device
