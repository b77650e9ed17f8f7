SELECT device FROM readings QUALIFY temp > 80
