SELECT tempp, UPER(zone),
  vib + zone AS x
FROM readings
WHERE dvice = 'x'
