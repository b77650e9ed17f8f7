-- Differences of times in all units, across months.
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

SELECT id, TIMESTAMPDIFF(DAY, TIMESTAMP '2026-02-28 12:00:00', ts) AS d, TIMESTAMPDIFF(MONTH, TIMESTAMP '2026-01-31 00:00:00', ts) AS m, TIMESTAMPDIFF(YEAR, TIMESTAMP '2024-05-05 00:00:00', ts) AS y, TIMESTAMPDIFF(MINUTE, ts, TIMESTAMP '2026-05-04 06:00:00') AS mi, TIMESTAMPDIFF(WEEK, TIMESTAMP '2026-01-01 00:00:00', ts) AS w, TIMESTAMPDIFF(QUARTER, TIMESTAMP '2025-01-01 00:00:00', ts) AS q, TIMESTAMPADD(WEEK, 1, ts) AS aw, TIMESTAMPADD(QUARTER, -1, ts) AS aq, TIMESTAMPADD(YEAR, 1, CAST(ts AS DATE)) AS ay, TIMESTAMPDIFF(DAY, CAST(ts AS DATE), DATE '2026-06-01') AS dd FROM motors WHERE id < 12;
