SELECT ARRAY[vib]['first'] AS a FROM readings
