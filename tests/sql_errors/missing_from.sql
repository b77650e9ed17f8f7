SELECT device, temp
