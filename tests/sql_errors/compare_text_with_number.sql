SELECT device FROM readings WHERE zone = 5
