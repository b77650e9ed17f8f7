SELECT device FROM readings OFFSET 3 ROWS
