SELECT device FROM readings WHERE DEADBAND(temp)
