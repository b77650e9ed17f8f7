SELECT device FROM readings WHER temp > 5
