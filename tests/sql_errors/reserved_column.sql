SELECT result FROM readings
