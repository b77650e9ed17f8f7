SELECT device FROM readings WHERE ts IN (SELECT max_temp FROM machines)
