SELECT (temp + 1 FROM readings
