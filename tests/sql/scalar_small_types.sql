-- TINYINT and SMALLINT: arithmetic, overflow, casts.
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

SELECT id, tiny + tiny AS tt, tiny * small AS ts_, small - tiny AS st, CAST(small AS TINYINT) AS c, CAST(amp AS TINYINT) AS ca, -tiny AS neg, tiny / 2 AS half, small % 7 AS m, fl + 1 AS f1, fl * 2.0 AS f2, fl = 0.1 AS eq, CAST(fl AS DOUBLE) AS fd, CAST(fl AS STRING) AS fs FROM motors;
