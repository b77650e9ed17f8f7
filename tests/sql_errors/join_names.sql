SELECT device, q.temp, m.hal FROM readings AS r JOIN machines AS m ON r.device = m.device AND r.tempp > 1
