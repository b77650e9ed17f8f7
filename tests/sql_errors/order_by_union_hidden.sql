SELECT ts FROM readings UNION ALL SELECT ts FROM readings ORDER BY ts, temp
