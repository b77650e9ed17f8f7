SELECT device FROM readings WHERE ok > TRUE
