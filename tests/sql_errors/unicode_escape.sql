SELECT U&'\00zz' AS a FROM readings
