SELECT r.device FROM readings AS r JOIN machines AS m WHERE r.device = m.device
