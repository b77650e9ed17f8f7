SELECT x FROM readings CROSS JOIN UNNEST(ARRAY[temp]) AS u (x, y)
