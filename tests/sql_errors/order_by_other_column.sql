SELECT device, temp FROM readings ORDER BY temp
