-- AND, OR, NOT over NULL; IS DISTINCT FROM, IS NOT TRUE.
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

SELECT id, flag AND amp > 10 AS a, flag OR amp > 10 AS o, NOT flag AS n, (amp > 10) IS NOT TRUE AS nt, flag IS UNKNOWN AS u, line IS DISTINCT FROM 'north' AS dn, rpm IN (1500, NULL) AS i, rpm NOT IN (1500, NULL) AS ni FROM motors;
