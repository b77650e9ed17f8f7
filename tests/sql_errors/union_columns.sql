SELECT device, temp FROM readings
UNION ALL
SELECT device FROM readings
UNION ALL
SELECT device, ts FROM readings
