SELECT device, ts, heat FROM readings WHERE heat > 80
