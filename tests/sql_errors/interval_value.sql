SELECT ts + INTERVAL '5 minutes' MINUTE AS t FROM readings
