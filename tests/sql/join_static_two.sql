-- Two joins with the same static table under two names.
CREATE TABLE samples (
  id INT,
  device STRING,
  ts TIMESTAMP(3),
  temp DOUBLE,
  WATERMARK FOR ts AS ts - INTERVAL '5' SECOND
) WITH ('connector' = 'filesystem', 'path' = 'data/samples.csv', 'format' = 'csv', 'csv.null-literal' = '');

CREATE TABLE machines (
  device STRING,
  hall STRING,
  owner STRING,
  max_temp DOUBLE
) WITH ('connector' = 'filesystem', 'path' = 'data/machines.csv', 'format' = 'csv', 'csv.null-literal' = '');

SELECT s.id, m.owner, h.device AS neighbour FROM samples s JOIN machines m ON s.device = m.device JOIN machines h ON h.hall = m.hall AND h.device <> m.device;
