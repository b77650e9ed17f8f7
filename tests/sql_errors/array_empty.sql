SELECT ARRAY[] AS a FROM readings
