SELECT device, (SELECT MAX(max_temp) FROM machines) AS highest FROM readings
