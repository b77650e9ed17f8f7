SELECT device FROM readings ORDER BY device
