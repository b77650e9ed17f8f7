SELECT device FROM reading
