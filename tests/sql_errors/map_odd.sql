SELECT MAP['low', 1, 'high'] AS m FROM readings
