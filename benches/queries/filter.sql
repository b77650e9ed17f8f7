SELECT device, ts, temp FROM readings WHERE temp > 80
