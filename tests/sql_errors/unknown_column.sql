SELECT device, tempp
FROM readings
