SELECT device FROM readings WHERE HELD_FOR(temp > 80, 30)
