SELECT device FROM readings WHERE device IN (SELECT device FROM readings WHERE temp > 5)
