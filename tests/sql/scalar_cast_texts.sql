-- CASTs of each type to text, with lengths.
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

SELECT id, CAST(amp AS STRING) AS a, CAST(cost AS STRING) AS c, CAST(tiny AS STRING) AS t, CAST(flag AS VARCHAR(3)) AS f, CAST(device AS CHAR(8)) || '|' AS ch, CAST(device AS VARCHAR(2)) AS v2, CAST(ts AS VARCHAR(10)) AS v10, CAST(cnt AS STRING) AS n, CAST(CAST(ts AS DATE) AS STRING) AS d, CAST(CAST(ts AS TIME) AS STRING) AS ti FROM motors;
