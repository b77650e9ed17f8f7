SELECT device FROM readings ORDER BY ts, COUNT(*)
