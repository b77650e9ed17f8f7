SELECT MAP['low', 1].low AS m FROM readings
