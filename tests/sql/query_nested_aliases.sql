-- Subqueries three deep with the same alias each.
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

SELECT t.x, t.y FROM (SELECT t.x + 1 AS x, t.y FROM (SELECT t.id AS x, t.device AS y FROM motors AS t WHERE t.id < 10) AS t) AS t WHERE t.x <> 4;
