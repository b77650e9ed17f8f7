SELECT device, ts FROM readings ORDER BY ts LIMIT 5
