SELECT r.device, r.ts, r.temp, p.hall FROM readings AS r JOIN places AS p ON r.device = p.device
