SELECT device FROM readings WHERE device IN (SELECT device, hall FROM machines)
