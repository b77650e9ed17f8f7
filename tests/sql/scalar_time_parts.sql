-- All parts of a time, with CEIL and FLOOR by each.
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

SELECT id, EXTRACT(QUARTER FROM ts) AS q, EXTRACT(DOY FROM ts) AS doy, EXTRACT(ISODOW FROM ts) AS isodow, EXTRACT(ISOYEAR FROM ts) AS isoy, EXTRACT(MILLISECOND FROM ts) AS ms, EXTRACT(EPOCH FROM ts) AS ep, FLOOR(ts TO SECOND) AS fs, CEIL(ts TO MINUTE) AS cm, CEIL(ts TO MONTH) AS cmo, FLOOR(ts TO YEAR) AS fy, CEIL(ts TO DAY) AS cd, DAYOFWEEK(CAST(ts AS DATE)) AS dw, YEAR(CAST(ts AS DATE)) AS y FROM motors;
