-- Statistics of whole numbers and decimals over rows: whole numbers are cut at each step.
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

SELECT id, VAR_POP(r) OVER w AS vp, VAR_SAMP(r) OVER w AS vs, STDDEV_POP(r) OVER w AS sp, STDDEV_SAMP(r) OVER w AS ss, VAR_POP(cost) OVER w AS dp, VAR_SAMP(cost) OVER w AS ds, STDDEV_POP(cost) OVER w AS dsp
FROM (SELECT id, device, ts, cost, CASE WHEN rpm < 10000 THEN rpm END AS r FROM motors) WINDOW w AS (PARTITION BY device ORDER BY ts ROWS BETWEEN 4 PRECEDING AND CURRENT ROW);
