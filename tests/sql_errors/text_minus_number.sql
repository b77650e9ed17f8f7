SELECT device, zone - temp AS x FROM readings
