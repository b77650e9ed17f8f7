-- AVG of whole numbers with OVER: the sum wraps around at their type; nothing but NULLs.
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

SELECT id, AVG(rpm) OVER w AS rpm, AVG(tiny) OVER w AS tiny, AVG(small) OVER w AS small, AVG(cnt) OVER w AS cnt FROM motors WINDOW w AS (PARTITION BY line ORDER BY ts ROWS BETWEEN 3 PRECEDING AND CURRENT ROW);
