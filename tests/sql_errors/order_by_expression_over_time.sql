SELECT ts, vib FROM readings ORDER BY ts, vib + 1
