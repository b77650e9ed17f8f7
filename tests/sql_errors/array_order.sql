SELECT device FROM readings WHERE ARRAY[vib] < ARRAY[3]
