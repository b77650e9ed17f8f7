SELECT UUID() AS id FROM readings
