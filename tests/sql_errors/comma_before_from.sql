SELECT device, FROM readings
