SELECT MAX(temp) AS m FROM readings
