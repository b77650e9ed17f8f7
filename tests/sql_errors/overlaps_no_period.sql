SELECT ts OVERLAPS (ts, ts) AS o FROM readings
