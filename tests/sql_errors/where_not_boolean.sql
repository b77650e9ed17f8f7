SELECT device FROM readings WHERE vib
