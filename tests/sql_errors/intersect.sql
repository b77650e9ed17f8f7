SELECT device FROM readings INTERSECT SELECT zone FROM readings
