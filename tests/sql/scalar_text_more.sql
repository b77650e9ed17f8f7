-- More functions of text.
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

SELECT id, INITCAP(s) AS ic, REPEAT(s, 2) AS r, OVERLAY(s PLACING 'ZZ' FROM 2 FOR 1) AS o, LEFT(s, 3) AS l, RIGHT(s, 3) AS ri, TRIM(BOTH ' ' FROM s) AS t, TRIM(LEADING 'H' FROM s) AS tl, RTRIM(s) AS rt, ASCII(s) AS a, LOCATE('l', s, 4) AS lo, INSTR(s, 'l') AS ins, s SIMILAR TO '%[0-9]+%' AS sim, REGEXP(s, '^[A-Z]') AS up, TO_BASE64(s) AS b64, MD5(s) AS md, SUBSTR(s, -2, 1) AS sub, TRANSLATE(s, 'lo', '01') AS tr FROM numbers;
