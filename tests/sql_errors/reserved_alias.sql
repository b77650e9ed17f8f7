SELECT temp AS value FROM readings
