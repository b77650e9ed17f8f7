-- Sessions per device, then a tumbling window over their window_time.
CREATE TABLE readings (
  device STRING,
  zone STRING,
  ts TIMESTAMP(3),
  temp DOUBLE,
  vib INT,
  WATERMARK FOR ts AS ts - INTERVAL '5' SECOND
) WITH ('connector' = 'filesystem', 'path' = 'data/readings.csv', 'format' = 'csv', 'csv.null-literal' = '');

CREATE VIEW s AS SELECT device, window_time AS wt, COUNT(*) AS n, MAX(temp) AS hi
FROM TABLE(SESSION(TABLE readings PARTITION BY device, DESCRIPTOR(ts), INTERVAL '20' SECOND)) GROUP BY device, window_start, window_end, window_time;

SELECT window_start AS ws, window_end AS we, COUNT(*) AS sessions, SUM(n) AS n_rows, MAX(hi) AS hi
FROM TABLE(TUMBLE(TABLE s, DESCRIPTOR(wt), INTERVAL '2' MINUTE)) GROUP BY window_start, window_end;
