SELECT SHA512(zone) FROM readings
