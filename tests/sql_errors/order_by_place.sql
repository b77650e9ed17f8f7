SELECT ts, device FROM readings ORDER BY ts, 3
