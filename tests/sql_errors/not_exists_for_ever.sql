SELECT device FROM readings AS a WHERE NOT EXISTS (SELECT * FROM readings AS b WHERE b.device = a.device)
