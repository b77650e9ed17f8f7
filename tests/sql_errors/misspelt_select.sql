SELEC device FROM readings
