-- A number and a text.
SELECT x FROM (VALUES (1), ('a')) AS t (x);
