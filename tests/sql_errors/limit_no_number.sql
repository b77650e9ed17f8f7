SELECT device FROM readings LIMIT temp
