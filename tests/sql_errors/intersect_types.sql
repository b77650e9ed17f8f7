SELECT temp FROM readings INTERSECT SELECT zone FROM readings
