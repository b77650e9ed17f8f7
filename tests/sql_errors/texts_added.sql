SELECT device + zone AS x FROM readings
