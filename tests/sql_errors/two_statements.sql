SELECT device FROM readings; SELECT zone FROM readings
