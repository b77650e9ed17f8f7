SELECT x FROM readings, LATERAL TABLE(split(zone)) AS u (x)
