-- VALUES in FROM with names; types that widen.
SELECT id + 1 AS after_it, name, CHAR_LENGTH(name) AS len, x * 2 AS twice FROM (VALUES (1, 'a', 1.5), (CAST(2 AS BIGINT), 'bcd', 2.25e0), (3, CAST(NULL AS STRING), 7)) AS t (id, name, x) WHERE id <> 2 OR name IS NOT NULL;
