SELECT r.device FROM readings AS r JOIN machines FOR SYSTEM_TIME AS OF r.temp AS m ON r.device = m.device
