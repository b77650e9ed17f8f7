SELECT device FROM readings WHERE DEADBAND(zone, 5)
