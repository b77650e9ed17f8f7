SELECT r.device FROM readings AS r FULL JOIN machines AS m ON r.device = m.device
