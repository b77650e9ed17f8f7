SELECT zone, CHANGED(temp) AS c FROM (SELECT zone, ts, temp FROM readings)
