SELECT device /* FROM readings
