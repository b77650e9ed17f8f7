-- Statistics of INT, BIGINT, DECIMAL, FLOAT and DOUBLE over all rows so far.
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

SELECT id, VAR_POP(id) OVER w AS vp, STDDEV_SAMP(CAST(id AS BIGINT)) OVER w AS ss, VAR_POP(cost) OVER w AS dp, STDDEV_POP(cost) OVER w AS dsp, VAR_POP(fl) OVER w AS fv, VAR_SAMP(amp) OVER w AS av
FROM motors WINDOW w AS (PARTITION BY device ORDER BY ts);
