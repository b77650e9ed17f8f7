SELECT device FROM readings WHERE temp > 5 OR device IN (SELECT device FROM machines)
