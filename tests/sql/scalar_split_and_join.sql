-- SPLIT_INDEX, SPLIT, STR_TO_MAP, ARRAY functions over texts.
CREATE TABLE numbers (
  id INT,
  a INT,
  b INT,
  x DOUBLE,
  y DOUBLE,
  d DECIMAL(10, 3),
  big BIGINT,
  flag BOOLEAN,
  s STRING,
  ts TIMESTAMP(3),
  WATERMARK FOR ts AS ts - INTERVAL '5' SECOND
) WITH ('connector' = 'filesystem', 'path' = 'data/numbers.csv', 'format' = 'csv', 'csv.null-literal' = '');

SELECT id, SPLIT_INDEX(s, 'l', 1) AS s1, SPLIT_INDEX(s, '', 0) AS s0, CARDINALITY(SPLIT(s, '=')) AS n, STR_TO_MAP(s, ';', '=')['x'] AS mx, ARRAY_JOIN(ARRAY_SORT(SPLIT(s, 'l')), '|') AS srt, ARRAY_JOIN(ARRAY_REVERSE(SPLIT(s, ' ')), ' ') AS rv, ARRAY_CONTAINS(SPLIT(s, ' '), 'lower') AS c, PARSE_URL('http://h/p?q=' || s, 'QUERY', 'q') AS u FROM numbers WHERE s IS NOT NULL;
