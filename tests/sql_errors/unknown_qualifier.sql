SELECT r.device, t.temp FROM readings AS r
