SELECT device FROM readings ORDER BY ts + INTERVAL '1' SECOND, vib
