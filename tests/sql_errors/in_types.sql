SELECT device FROM readings WHERE vib IN (1, 'a')
