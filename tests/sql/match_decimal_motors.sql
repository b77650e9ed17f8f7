-- DECIMAL, BOOLEAN and BIGINT in conditions and measures.
CREATE TABLE motors (
  id INT,
  device STRING,
  line STRING,
  ts TIMESTAMP(3),
  amp DOUBLE,
  rpm INT,
  cost DECIMAL(10, 3),
  cnt BIGINT,
  flag BOOLEAN,
  tiny TINYINT,
  small SMALLINT,
  fl FLOAT,
  WATERMARK FOR ts AS ts - INTERVAL '4' SECOND
) WITH ('connector' = 'filesystem', 'path' = 'data/motors.csv', 'format' = 'csv', 'csv.null-literal' = '');

SELECT * FROM motors MATCH_RECOGNIZE (PARTITION BY device ORDER BY ts MEASURES SUM(a.cost) AS s, AVG(a.cnt) AS c, MAX(a.fl) AS f, b.flag AS bf, AVG(a.rpm) AS r ONE ROW PER MATCH AFTER MATCH SKIP PAST LAST ROW PATTERN (a{1,3}? b) DEFINE a AS a.cost IS NOT NULL, b AS b.cost < AVG(a.cost) OR b.flag);
