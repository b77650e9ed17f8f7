SELECT MAP['low', 1][vib] AS m FROM readings
