SELECT device FROM readings INTERSECT ALL SELECT zone FROM readings
