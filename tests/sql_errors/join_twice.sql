SELECT 1 AS x FROM readings JOIN readings ON TRUE
