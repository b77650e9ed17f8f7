-- A window over a view with computed columns and a filter.
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
CREATE VIEW strong AS SELECT UPPER(device) AS dev, ts, amp * 230 AS watt FROM motors WHERE amp > 0;
SELECT dev, window_start, AVG(watt) AS w, COUNT(*) AS n FROM TABLE(TUMBLE(TABLE strong, DESCRIPTOR(ts), INTERVAL '1' MINUTE)) GROUP BY dev, window_start, window_end;
