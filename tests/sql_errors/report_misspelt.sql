SELECT device FROM readings WHERE DEADBND(temp, 5)
