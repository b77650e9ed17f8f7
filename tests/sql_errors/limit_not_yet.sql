SELECT device FROM readings LIMIT 5
