-- Two keys of partition with NULLs, WITHIN, reluctant loop with times.
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

SELECT * FROM motors MATCH_RECOGNIZE (PARTITION BY device, line ORDER BY ts MEASURES FIRST(a.id) AS a1, LAST(a.id) AS a2, b.id AS bid, TIMESTAMPDIFF(SECOND, FIRST(a.ts), b.ts) AS secs ONE ROW PER MATCH AFTER MATCH SKIP TO NEXT ROW PATTERN (a{1,4}? b) WITHIN INTERVAL '30' SECOND DEFINE a AS a.flag IS NOT NULL, b AS b.rpm > 1000 AND LAST(a.rpm) IS DISTINCT FROM b.rpm);
