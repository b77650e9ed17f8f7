SELECT device FROM readings WHERE vib != 5
