SELECT device FROM readings UNION ALL SELECT zone FROM readings
