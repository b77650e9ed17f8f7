SELECT device.name FROM readings
