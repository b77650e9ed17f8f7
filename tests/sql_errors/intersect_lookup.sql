SELECT device FROM readings INTERSECT SELECT device FROM machines
