-- VALUES in WITH, and a view of them.
CREATE TEMPORARY VIEW limits (device, high) AS VALUES ('press-1', 65.0), ('press-2', 70.0);
WITH names AS (SELECT * FROM (VALUES (1, 'one'), (2, 'two')) AS n (number, name)) SELECT l.device, l.high, n.name FROM limits l JOIN names n ON n.number = CHAR_LENGTH(l.device) - 6;
