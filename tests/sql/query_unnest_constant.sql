-- UNNEST without a table.
SELECT * FROM UNNEST(ARRAY[3, 1, 2]) AS u (x);
