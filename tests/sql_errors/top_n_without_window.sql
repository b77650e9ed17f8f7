SELECT device, temp FROM (SELECT *, ROW_NUMBER() OVER (PARTITION BY zone ORDER BY temp DESC) AS rn FROM readings) WHERE rn <= 3
