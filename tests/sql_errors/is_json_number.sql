SELECT vib IS JSON AS a FROM readings
