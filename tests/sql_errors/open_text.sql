SELECT device FROM readings WHERE zone = 'hall
