SELECT device FROM readings EXCEPT ALL SELECT zone FROM readings
