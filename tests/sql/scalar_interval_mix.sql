-- Intervals of several units, from columns, months clamped.
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

SELECT id, ts + INTERVAL '1 02:03:04.005' DAY TO SECOND AS a, ts - INTERVAL '1-2' YEAR TO MONTH AS b, ts + INTERVAL '10' SECOND * tiny AS c, TIMESTAMPADD(MINUTE, rpm, ts) AS d, TIMESTAMPADD(SECOND, -90, ts) AS e, CAST(ts AS DATE) + INTERVAL '1' MONTH AS f, TIMESTAMPDIFF(HOUR, ts, ts + INTERVAL '36' HOUR) AS h FROM motors;
