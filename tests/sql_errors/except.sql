SELECT device FROM readings EXCEPT SELECT zone FROM readings
