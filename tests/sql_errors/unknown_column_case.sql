SELECT Device FROM readings
