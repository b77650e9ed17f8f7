SELECT zone FROM (SELECT device, zone, temp FROM readings) WHERE CHANGED(temp)
