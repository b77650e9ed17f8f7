SELECT ts - ts AS d FROM readings
