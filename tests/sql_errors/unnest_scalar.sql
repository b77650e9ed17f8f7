SELECT x FROM readings CROSS JOIN UNNEST(temp) AS u (x)
