-- SELECT without FROM whose WHERE is false.
SELECT 1 AS a WHERE 1 = 2;
