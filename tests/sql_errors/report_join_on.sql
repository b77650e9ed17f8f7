SELECT r.device FROM readings AS r JOIN machines AS m ON r.device = m.device AND CHANGED(r.temp)
