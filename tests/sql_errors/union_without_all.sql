SELECT device FROM readings UNION SELECT zone FROM readings
