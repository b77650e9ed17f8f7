SELECT device, zone, ts FROM (SELECT *, ROW_NUMBER() OVER (PARTITION BY zone ORDER BY ts) AS rn FROM readings) WHERE rn = 1
