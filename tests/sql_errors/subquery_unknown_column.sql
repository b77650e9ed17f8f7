SELECT device FROM readings AS r WHERE EXISTS (SELECT * FROM machines AS m WHERE m.device = r.name)
